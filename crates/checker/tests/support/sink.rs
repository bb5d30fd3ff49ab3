//! Places to write to.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

type Sink = Mutex<Box<dyn Write + Send>>;

pub(crate) fn shared(to: impl Write + Send + 'static) -> Shared {
    Shared(Arc::new(Mutex::new(Box::new(to))))
}

/// A place to which several write in turn.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Sink>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics while writing").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().expect("nobody panics while writing").flush()
    }
}

/// Bytes that can be looked at after they were written.
#[derive(Clone, Default)]
pub(crate) struct Memory(pub(crate) Arc<Mutex<Vec<u8>>>);

impl Memory {
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().expect("nobody panics while writing"))
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics while writing").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
