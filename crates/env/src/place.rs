//! Places: where a simulation runs many nodes in one thread, each has its tasks in a place of its own, which it can pause
//! and end as a whole. Outside a simulation there are no places, and what is spawned here is spawned as ever.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use pin_project_lite::pin_project;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::task::JoinHandle;

thread_local! {
    /// The place of the task that this thread polls.
    static HERE: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// Where the tasks of one simulated node run. Clones are the same place.
///
/// Invariants:
/// - A task that is spawned by a task of a place runs in that place.
/// - While a place is paused none of its tasks runs; once it has ended none ever does, and all they held is dropped.
#[derive(Debug, Clone)]
pub struct Place(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    random: SmallRng,
    paused: bool,
    ended: bool,
    next_task: u64,
    /// By number, so that they are woken in the same order in every run.
    wakers: BTreeMap<u64, Waker>,
}

impl Place {
    /// A place whose tasks draw their random numbers from `seed`.
    pub fn new(seed: u64) -> Self {
        let random = SmallRng::seed_from_u64(seed);
        let state = State { random, paused: false, ended: false, next_task: 0, wakers: BTreeMap::new() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Spawns a task in this place, on the current runtime.
    pub fn spawn<T>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T>
    where
        T: Send + 'static,
    {
        tokio::spawn(self.holding(task))
    }

    /// As SIGSTOP: its tasks stand still, time goes on.
    pub fn pause(&self) {
        self.0.lock().paused = true;
    }

    /// As SIGCONT.
    pub fn resume(&self) {
        self.0.lock().paused = false;
        self.wake_all();
    }

    /// As SIGKILL: none of its tasks runs again. They are dropped when the runtime comes to them.
    pub fn end(&self) {
        self.0.lock().ended = true;
        self.wake_all();
    }

    /// True once it has ended.
    pub fn has_ended(&self) -> bool {
        self.0.lock().ended
    }

    /// Calls a function as a task of this place would.
    pub fn enter<T>(&self, call: impl FnOnce() -> T) -> T {
        let before = HERE.replace(Some(self.clone()));
        let guard = Leave(before);
        let value = call();
        drop(guard);
        value
    }

    fn holding<F: Future>(&self, future: F) -> Placed<F> {
        let number = {
            let mut state = self.0.lock();
            state.next_task += 1;
            state.next_task
        };
        Placed { future: Some(future), stay: Some(Stay { place: self.clone(), number }) }
    }

    fn wake_all(&self) {
        let wakers: Vec<Waker> = self.0.lock().wakers.values().cloned().collect();
        for waker in wakers {
            waker.wake();
        }
    }
}

/// The future of a task that is spawned here: in the place of the task that calls, if it has one.
pub fn here<F: Future>(future: F) -> Placed<F> {
    match current() {
        Some(place) => place.holding(future),
        None => Placed { future: Some(future), stay: None },
    }
}

/// Spawns a task on the current runtime, in the place of the task that calls, if it has one.
pub fn spawn<T>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T>
where
    T: Send + 'static,
{
    tokio::spawn(here(task))
}

/// Spawns a task on the current runtime, in no place whoever calls: what a simulation does around its nodes.
pub fn outside<T>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T>
where
    T: Send + 'static,
{
    tokio::spawn(task)
}

/// A generator of random numbers: of the place, where there is one, else seeded by the system.
pub fn random() -> SmallRng {
    match current() {
        Some(place) => SmallRng::seed_from_u64(place.0.lock().random.next_u64()),
        None => rand::make_rng(),
    }
}

/// Runs what waits for the disk on a thread where it holds nobody up. In a place it is run at once: there is no other thread.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    if current().is_some() { Ok(work()) } else { tokio::task::spawn_blocking(work).await }
}

fn current() -> Option<Place> {
    HERE.with_borrow(Clone::clone)
}

/// Restores the place that was current before.
struct Leave(Option<Place>);

impl Drop for Leave {
    fn drop(&mut self) {
        HERE.set(self.0.take());
    }
}

/// A task's stay in a place; gone from its list when dropped.
#[derive(Debug)]
struct Stay {
    place: Place,
    number: u64,
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.place.0.lock().wakers.remove(&self.number);
    }
}

pin_project! {
    /// A future that runs in a place, or in none.
    #[derive(Debug)]
    pub struct Placed<F> {
        #[pin]
        future: Option<F>,
        stay: Option<Stay>,
    }
}

impl<F: Future> Future for Placed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let Some(stay) = this.stay else {
            let future = this.future.as_pin_mut().expect("only a place takes it away");
            return future.poll(context);
        };
        let place = stay.place.clone();
        let (ended, paused) = {
            let mut state = place.0.lock();
            state.wakers.entry(stay.number).or_insert_with(|| context.waker().clone());
            (state.ended, state.paused)
        };
        if ended {
            // What it drops may spawn: that must not outlive the place either.
            place.enter(|| this.future.set(None));
            return Poll::Pending;
        }
        if paused {
            return Poll::Pending;
        }
        let future = this.future.as_pin_mut().expect("the place has not ended");
        place.enter(|| future.poll(context))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::watch;
    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_paused_place_stands_still_while_time_goes_on() {
        let place = Place::new(1);
        let (ticks, seen) = watch::channel(0);
        place.spawn(async move {
            loop {
                sleep(Duration::from_millis(10)).await;
                ticks.send_modify(|ticks| *ticks += 1);
            }
        });
        sleep(Duration::from_millis(55)).await;
        assert_eq!(*seen.borrow(), 5);
        place.pause();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(*seen.borrow(), 5);
        place.resume();
        sleep(Duration::from_millis(25)).await;
        assert!(*seen.borrow() > 5);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_place_drops_what_its_tasks_and_their_tasks_hold() {
        let place = Place::new(1);
        let (held, mut released) = watch::channel(());
        let inner = held.clone();
        place.spawn(async move {
            spawn(async move {
                std::future::pending::<()>().await;
                drop(inner);
            });
            std::future::pending::<()>().await;
            drop(held);
        });
        sleep(Duration::from_millis(1)).await;
        place.end();
        // An error says that all senders are gone.
        let gone = timeout(Duration::from_secs(1), released.changed()).await;
        assert!(gone.is_ok_and(|changed| changed.is_err()));
    }

    #[tokio::test]
    async fn a_place_repeats_its_random_numbers_for_all_its_tasks() {
        let draw = |seed| {
            let place = Place::new(seed);
            async move { place.spawn(async { spawn(async { random().next_u64() }).await }).await }
        };
        let numbers = [draw(5).await, draw(5).await, draw(6).await].map(|drawn| drawn.unwrap().unwrap());
        assert_eq!(numbers[0], numbers[1]);
        assert_ne!(numbers[0], numbers[2]);
    }

    #[tokio::test]
    async fn outside_a_place_all_is_as_ever() {
        assert_eq!(spawn(async { 1 }).await.unwrap(), 1);
        assert_eq!(blocking(|| 2).await.unwrap(), 2);
        assert_ne!(random().next_u64(), random().next_u64());
    }
}
