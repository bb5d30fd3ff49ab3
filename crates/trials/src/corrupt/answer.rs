//! What a node answers that opens a damaged directory, held against what it would without the damage.

use std::path::Path;
use std::sync::Arc;

use stockade_storage::file::Files;

use super::build::Expected;
use crate::drive::{Difference, Life, Record, Setup};

/// What became of a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// An error that names the file.
    Found(String),
    /// An error that doesn't.
    Unnamed(String),
    /// The answer is as it would be without the damage.
    Unchanged,
    /// A wrong answer without an error: something acknowledged is missing.
    Lost(String),
    /// A wrong answer without an error, of another kind.
    Silent(String),
    /// It panicked.
    Panicked(String),
    /// It waits for ever.
    Hung,
}

/// Opens a directory, reads everything that it promises, and compares.
pub(super) async fn examine(files: Arc<dyn Files>, setup: &Setup, expected: &Expected) -> Outcome {
    let mut life = match Life::open(files, setup).await {
        Ok(life) => life,
        Err(error) => return found(&setup.dir, &anyhow::Error::new(error)),
    };
    let compared = compare(&mut life, expected).await;
    life.end().await;
    match compared {
        Ok(None) => Outcome::Unchanged,
        Ok(Some(wrong)) => wrong,
        Err(error) => found(&setup.dir, &error),
    }
}

fn found(dir: &Path, error: &anyhow::Error) -> Outcome {
    let text = format!("{error:#}");
    if text.contains(&dir.display().to_string()) { Outcome::Found(text) } else { Outcome::Unnamed(text) }
}

/// What is wrong with the answer, if anything is.
async fn compare(life: &mut Life, expected: &Expected) -> anyhow::Result<Option<Outcome>> {
    let held = life.held().await?;
    if let Some(difference) = held.differs_from(&expected.states) {
        let should = expected.states.first().map(ToString::to_string).unwrap_or_default();
        let what = format!("it answers {held}; it should {should}");
        return Ok(Some(match difference {
            Difference::Missing => Outcome::Lost(what),
            Difference::Wrong => Outcome::Silent(what),
        }));
    }
    let (snapshot, should) = (life.snapshot_index(), expected.snapshot);
    if snapshot != should {
        let what = format!("its snapshot is of {snapshot:?}; it should be of {should:?}");
        return Ok(Some(if snapshot < should { Outcome::Lost(what) } else { Outcome::Silent(what) }));
    }
    let mut record = Record::default();
    record.came_back(held);
    if let Some(wrong) = compare_state(life, expected).await? {
        return Ok(Some(wrong));
    }
    life.begin(&mut record).await?;
    if let Some(committed) = expected.committed {
        life.apply(committed).await?;
    }
    compare_state(life, expected).await
}

async fn compare_state(life: &Life, expected: &Expected) -> anyhow::Result<Option<Outcome>> {
    let hashes = life.hashes().await?;
    let applied = life.storage.state.applied().get();
    let should = usize::try_from(applied).ok().and_then(|index| expected.reference.hashes.get(index));
    // An index of 0 may mean that nothing was applied: there is no state in either case.
    if applied == 0 || should == Some(&hashes) {
        return Ok(None);
    }
    Ok(Some(Outcome::Silent(format!(
        "the state applied to {applied} is another than that of the log up to there"
    ))))
}
