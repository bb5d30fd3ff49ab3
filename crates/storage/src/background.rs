//! Threads whose work can wait.

/// What the system adds to a thread's nice value, of 19 at most: beside threads that want the processor it gets about a third of what one
/// of them gets, and all of it where nobody else wants it. With 10, which is a tenth, a node whose machine was busy read for a minute
/// what takes some seconds, and its cluster went without it for as long.
const NICE: i32 = 5;

/// Lets the threads of others go first, of this process and of others, from now on: for a thread of its own that ends with its work.
/// Other nodes of the cluster may run on this machine, and answer.
pub(crate) fn stand_back() {
    // Only a wish: where the system doesn't grant it, the work is done all the same.
    let _ = rustix::process::setpriority_process(None, NICE);
}
