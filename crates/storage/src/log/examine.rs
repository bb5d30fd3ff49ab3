//! Looking at a log without opening it: what the offline commands show, and check.
//!
//! An examination changes nothing on the disk and goes on behind what is wrong where that makes sense: with the next
//! segment. It judges by the rules of [`chain`], as recovery does: a log in which it finds no damage opens, and one in which
//! it finds some does not.

use std::ops::ControlFlow;
use std::path::Path;

use bytes::Bytes;

use super::chain::{self, Ending, Opening};
use super::record::{HEADER_BYTES, Header, NoRecord};
use super::replay::Replay;
use super::report::{Examination, Problem, ProblemKind, RecordView, SegmentReport, WatermarkReport};
use super::segment::{self, ScanEnd, SegmentReader};
use super::watermark::{self, Mark};
use crate::Error;
use crate::file::Files;

/// Reads the log in a directory and passes every sound record to `visit`, in order, until that breaks off. What is wrong
/// stands in the result; an error says that the directory itself can't be read. Nobody may write to the log meanwhile.
pub fn examine(
    files: &dyn Files,
    dir: &Path,
    visit: &mut dyn FnMut(&RecordView<'_>) -> ControlFlow<()>,
) -> Result<Examination, Error> {
    let mut examiner = Examiner { files, dir, visit, found: nothing_yet(dir), replay: None, unbroken: true };
    match segment::list(files, dir) {
        Ok(numbers) => examiner.run(&numbers),
        Err(Error::Io { file, source }) => return Err(Error::Io { file, source }),
        Err(error) => examiner.note(&error),
    }
    Ok(examiner.found)
}

fn nothing_yet(dir: &Path) -> Examination {
    Examination {
        dir: dir.to_owned(),
        segments: Vec::new(),
        watermark: None,
        vote: None,
        purged: None,
        committed: None,
        last: None,
        problems: Vec::new(),
        complete: true,
    }
}

/// An examination on its way.
struct Examiner<'a> {
    files: &'a dyn Files,
    dir: &'a Path,
    visit: &'a mut dyn FnMut(&RecordView<'_>) -> ControlFlow<()>,
    found: Examination,
    /// What the records so far lead to; `None` at the beginning and behind what is wrong, where the next checkpoint says it.
    replay: Option<Replay>,
    /// True while nothing wrong came before: then the replay began with the first segment.
    unbroken: bool,
}

/// Why the records of a segment were not read to their end.
enum Broken {
    Off,
    Wrong(Error),
}

impl Examiner<'_> {
    fn note(&mut self, error: &Error) {
        self.found.problems.push(Problem::of(error, self.dir));
    }

    fn run(&mut self, numbers: &[u64]) {
        if let Some(missing) = segment::gap(numbers) {
            let path = segment::path(self.dir, missing);
            self.note(&Error::corrupt(&path, 0, "this segment of the log is missing"));
        }
        let mark = self.watermark(numbers);
        self.segments(numbers, &mark);
        if self.found.complete
            && self.unbroken
            && self.replay.as_ref().is_some_and(|replay| !replay.is_complete())
        {
            self.note(&Error::corrupt(self.dir, 0, chain::INCOMPLETE));
        }
    }

    /// What comes next begins with its own checkpoint.
    fn forget(&mut self) {
        self.replay = None;
        self.unbroken = false;
    }

    fn segments(&mut self, numbers: &[u64], mark: &Mark) {
        let opened: Vec<_> = numbers
            .iter()
            .map(|number| {
                let reader = SegmentReader::open_to_read(self.files, segment::path(self.dir, *number));
                let opening = reader.and_then(|reader| {
                    drop_cache(&reader);
                    chain::open_segment(reader, *number)
                });
                (*number, opening)
            })
            .collect();
        let mut unread = opened.into_iter().peekable();
        while let Some((number, opening)) = unread.next() {
            let mut report = self.blank_report(number);
            let follower = match unread.peek() {
                None => Follower::None,
                Some((next, Ok(follower))) if *next == number + 1 => Follower::Known(follower),
                Some(_) => Follower::Unknown,
            };
            let complete = match opening {
                Ok(mut opening) => self.segment(&mut opening, &follower, mark, &mut report),
                Err(error) => {
                    report.problem = Some(Problem::of(&error, self.dir));
                    self.forget();
                    true
                }
            };
            self.found.segments.push(report);
            if !complete {
                self.found.complete = false;
                return;
            }
            if matches!(follower, Follower::Unknown) {
                self.forget();
            }
        }
    }

    fn watermark(&mut self, numbers: &[u64]) -> Mark {
        let noted = match watermark::read(self.files, self.dir) {
            Ok(noted) => noted,
            Err(error) => {
                self.note(&error);
                return Mark::default();
            }
        };
        self.found.watermark = noted.map(|noted| WatermarkReport {
            durable: noted.mark.durable,
            segment: noted.mark.segment,
            counter: noted.mark.counter,
            sound_slots: noted.sound_slots,
        });
        if let Err(error) = chain::check_watermark(self.dir, noted, numbers) {
            self.note(&error);
        }
        // Where its last segment is missing, the one before it is judged like any other: it ended long before.
        let last_is_there =
            numbers.last().is_some_and(|last| noted.is_some_and(|noted| noted.mark.segment <= *last));
        noted.filter(|_| last_is_there).map(|noted| noted.mark).unwrap_or_default()
    }

    fn blank_report(&self, number: u64) -> SegmentReport {
        let path = segment::path(self.dir, number);
        // Where it can't be opened, its checkpoint can't be read, which is what is noted.
        let file_bytes = self.files.open_to_read(&path).and_then(|file| file.len()).unwrap_or(0);
        SegmentReport {
            path,
            number,
            stamp: None,
            first_sequence: None,
            last_sequence: None,
            records: 0,
            first_entry: None,
            last_entry: None,
            used_bytes: 0,
            file_bytes,
            problem: None,
        }
    }

    /// Reads a segment; false where the visitor broke off.
    fn segment(
        &mut self,
        opening: &mut Opening,
        follower: &Follower<'_>,
        mark: &Mark,
        report: &mut SegmentReport,
    ) -> bool {
        report.stamp = Some(opening.stamp.0);
        report.first_sequence = Some(opening.sequence.0);
        let mut replay = self.replay.take().unwrap_or_else(|| Replay::new(0, Some(&opening.checkpoint)));
        let read = self.records(opening, follower, &mut replay, report);
        self.found.summarise(&replay.summary);
        let judged = match read {
            Ok(end) => judge(opening, &end, follower, mark),
            Err(Broken::Off) => return false,
            Err(Broken::Wrong(error)) => Err(error),
        };
        match judged {
            Ok(None) => self.replay = Some(replay),
            Ok(Some(torn)) => {
                report.problem = Some(torn);
                self.replay = Some(replay);
            }
            Err(error) => {
                report.problem = Some(Problem::of(&error, self.dir));
                self.forget();
            }
        }
        true
    }

    fn records(
        &mut self,
        opening: &mut Opening,
        follower: &Follower<'_>,
        replay: &mut Replay,
        report: &mut SegmentReport,
    ) -> Result<ScanEnd, Broken> {
        let (path, number) = (opening.reader.path.clone(), opening.number);
        let (header, checkpoint) = (opening.header, opening.payload.clone());
        self.pass(&path, 0, &header, &checkpoint, report)?;
        replay.begin(opening).map_err(Broken::Wrong)?;
        let mut broken_off = false;
        let limit = match follower {
            Follower::Known(follower) => Some(&follower.checkpoint),
            Follower::None | Follower::Unknown => None,
        };
        let read = chain::read_segment(opening, limit, |offset, header, payload| {
            let wrong = |what: &str| Error::corrupt(&path, offset, what);
            match self.pass(&path, offset, header, &payload, report) {
                Ok(()) => {}
                Err(Broken::Off) => {
                    broken_off = true;
                    return Err(wrong("broken off"));
                }
                Err(Broken::Wrong(error)) => return Err(error),
            }
            let start = offset + HEADER_BYTES as u64;
            replay.apply(header.record_type, &payload, number, start).map_err(|what| wrong(&what))
        });
        match read {
            Ok(end) => Ok(end),
            Err(_) if broken_off => Err(Broken::Off),
            Err(error) => Err(Broken::Wrong(error)),
        }
    }

    /// Counts a record and passes it to the visitor.
    fn pass(
        &mut self,
        path: &Path,
        offset: u64,
        header: &Header,
        payload: &Bytes,
        report: &mut SegmentReport,
    ) -> Result<(), Broken> {
        let view = RecordView {
            path,
            offset,
            type_name: header.record_type.name(),
            sequence: header.sequence.0,
            durable: header.durable.0,
            payload,
            record_type: header.record_type,
        };
        report.records += 1;
        report.last_sequence = Some(header.sequence.0);
        report.used_bytes = offset + header.record_bytes();
        let entries = view.entries().map_err(|what| Broken::Wrong(Error::corrupt(path, offset, what)))?;
        if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
            report.first_entry = report.first_entry.or(Some(first.id));
            report.last_entry = Some(last.id);
        }
        match (self.visit)(&view) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Broken::Off),
        }
    }
}

/// Rot is on the disk, and so is what a failed sync never wrote: the page cache would hide both. A hint, as ever: where it
/// can't be followed, what is in the cache is examined.
fn drop_cache(reader: &SegmentReader) {
    if let Err(error) = reader.file.drop_cache() {
        let file = reader.path.display();
        tracing::debug!(%file, %error, "a segment is examined as it is in the page cache");
    }
}

/// What follows a segment.
enum Follower<'a> {
    /// Nothing: it is the last one.
    None,
    /// Something that can't be read, or that is missing.
    Unknown,
    Known(&'a Opening),
}

/// Judges where a segment ends; a problem where that is an honest torn tail.
fn judge(
    opening: &mut Opening,
    end: &ScanEnd,
    follower: &Follower<'_>,
    mark: &Mark,
) -> Result<Option<Problem>, Error> {
    match follower {
        Follower::Known(follower) => chain::check_follower(opening, end, follower).map(|()| None),
        // Nothing says where it should end, and that is noted where it belongs.
        Follower::Unknown => Ok(None),
        Follower::None => Ok(match chain::judge_end(opening, end, mark)? {
            Ending::Clean => None,
            Ending::Torn => Some(Problem {
                file: opening.reader.path.clone(),
                offset: end.offset,
                what: match end.reason {
                    NoRecord::Nothing => "a crash interrupted a write to the log".to_owned(),
                    ref reason => format!("a crash interrupted a write to the log: {reason}"),
                },
                kind: ProblemKind::TornTail,
            }),
        }),
    }
}
