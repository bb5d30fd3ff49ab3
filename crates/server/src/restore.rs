//! A node of a cluster that began with a backup: which cluster that is, and how the backup gets into its directory.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use stockade_env::Env;
use stockade_storage::file::Files;
use stockade_storage::{Error, Identity, Options};

use crate::config::{Config, cluster_id, restored_cluster_id};
use crate::error::StartError;

/// Completes the options with the cluster's id, and restores the backup where the directory is empty. The members are
/// every node's id and peer address.
///
/// The id follows from the name and the backup: nodes of the old cluster, or such as began with another backup or none,
/// don't talk to this one.
pub(crate) async fn prepare(
    files: Arc<dyn Files>,
    env: &Env,
    config: &Config,
    options: Options,
    members: &BTreeMap<u64, String>,
) -> Result<Options, StartError> {
    let before = stockade_storage::restored_from(files.as_ref(), &config.data_dir)?;
    let backup = match &config.restore {
        None => config.restored_from.or(before),
        Some(path) => match stockade_storage::backup_id(files.as_ref(), path) {
            Ok(backup) => Some(backup),
            Err(Error::Io { source, .. }) if before.is_some() && source.kind() == io::ErrorKind::NotFound => {
                tracing::info!(path = %path.display(), "the backup is gone; its restoring was done before");
                before
            }
            Err(error) => return Err(error.into()),
        },
    };
    if let (Some(given), Some(found)) = (config.restored_from, backup)
        && given != found
    {
        let what = format!("--restored-from names {given}, the backup is {found}; leave --restored-from out");
        return Err(StartError::Config(what));
    }
    let cluster_id = match backup {
        None => cluster_id(&config.cluster_name),
        Some(backup) => restored_cluster_id(&config.cluster_name, backup),
    };
    let identity = Identity { cluster_id, node_id: config.node_id };
    let options = Options { identity, restored_from: backup, ..options };
    if let Some(path) = &config.restore
        && before != backup
    {
        stockade_storage::restore(files, env, &options, path, members).await?;
    }
    Ok(options)
}
