//! A thread reads no faster than it computes.
//!
//! Between two batches the connections of a thread may read a certain number of bytes. Connections that have more to read
//! wait in line, and the first in line reads first. What they have not read stays in their sockets, and TCP slows their
//! clients down.
//!
//! Without this, a thread would read all that thousands of callers have sent before it computes any of it. The requests
//! would no longer fit in the cache, and most would only be turned away, which costs as much as a small network's answer.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::serving::batcher::Lane;
use crate::telemetry::Telemetry;

/// Once the connections of a thread have read so much since the last batch, the others wait: some 20 requests of 784
/// pixels.
const READ_BYTES: usize = 16 * 1024;
/// What one connection may read in its turn, even if that is more: to split what came together costs a write and a
/// wake-up at both ends.
const TURN_BYTES: usize = 64 * 1024;
/// What a connection that never asked for a prediction may read without waiting for its turn. A health check fits, or the
/// first prediction.
const FREE_BYTES: usize = 1024;
/// While so much work waits on the thread, nothing more is read. It is about a batch, so that the next one is full too.
const WORK: Duration = Duration::from_micros(500);
/// But after so long something is read all the same: streams make work too, of items that were read before.
const LONGEST_PAUSE: Duration = Duration::from_millis(5);
/// Calls that have waited in line for longer are turned away: their clients are about to give up, or already have.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// Says when the connections of one thread may read.
///
/// All of them are polled on that thread, so nobody ever waits for the atomics and locks. They are there because the
/// executor wants futures that could move to another thread.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Bytes that may still be read before the next batch.
    left: AtomicUsize,
    line: Mutex<VecDeque<Arc<Waiting>>>,
    /// Whether a task runs that lets the line read.
    opening: AtomicBool,
    /// The thread's own, where its work waits.
    lane: Lane,
    telemetry: Arc<Telemetry>,
}

impl Gate {
    pub fn new(lane: Lane, telemetry: Arc<Telemetry>) -> Self {
        Self {
            lane,
            left: AtomicUsize::new(READ_BYTES),
            line: Mutex::default(),
            opening: AtomicBool::new(false),
            telemetry,
        }
    }

    /// Nothing that can panic runs under the lock, so poison means nothing here.
    fn line(&self) -> MutexGuard<'_, VecDeque<Arc<Waiting>>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self) -> bool {
        self.left.load(Relaxed) > 0
    }

    fn was_read(&self, bytes: usize) {
        let left = self.left.load(Relaxed);
        self.left.store(left.saturating_sub(bytes), Relaxed);
    }

    /// One more connection, at the end of the line.
    fn wait(self: &Arc<Self>) -> Arc<Waiting> {
        let waiting = Arc::new(Waiting {
            since: Instant::now(),
            called: AtomicBool::new(false),
            late: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        self.line().push_back(Arc::clone(&waiting));
        if !self.opening.swap(true, Relaxed) {
            tokio::spawn(Arc::clone(self).open());
        }
        waiting
    }

    /// Lets the next in line read whenever the batches have caught up, until the line is empty.
    async fn open(self: Arc<Self>) {
        let mut last = Instant::now();
        loop {
            // Before this goes on, what was read becomes a batch and is computed.
            tokio::task::yield_now().await;
            if self.lane.backlog() >= WORK && last.elapsed() < LONGEST_PAUSE {
                continue;
            }
            last = Instant::now();
            self.left.store(READ_BYTES, Relaxed);
            if !self.call_next() {
                self.opening.store(false, Relaxed);
                return;
            }
        }
    }

    /// Lets the first in line read; false if nobody waits. A connection that is called leaves the line, whether it reads
    /// or not (it may have to write first), so it does not hold up the next one.
    fn call_next(&self) -> bool {
        let mut line = self.line();
        while let Some(waiting) = line.pop_front() {
            let is_open = Arc::strong_count(&waiting) > 1;
            if is_open {
                let waited = waiting.since.elapsed();
                self.telemetry.connection_waited(waited);
                waiting.late.store(waited >= LONGEST_WAIT, Relaxed);
                waiting.called.store(true, Relaxed);
                waiting.waker.wake();
                return true;
            }
        }
        false
    }
}

/// A connection in line.
#[derive(Debug)]
struct Waiting {
    since: Instant,
    /// Whether it may read now.
    called: AtomicBool,
    /// Whether it had to wait for too long.
    late: AtomicBool,
    waker: AtomicWaker,
}

impl Waiting {
    fn poll_called(&self, context: &Context<'_>) -> Poll<()> {
        self.waker.register(context.waker());
        if self.called.load(Relaxed) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// How a connection is read, known to its stream and to its calls.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Whether the connection has ever asked for a prediction.
    predicts: AtomicBool,
    /// Whether what was read last had waited for too long.
    late: AtomicBool,
}

impl Reading {
    /// A call for a prediction begins: from now on the connection waits for its turn.
    pub fn predicts(&self) {
        self.predicts.store(true, Relaxed);
    }

    /// Whether the calls that begin now have waited for so long that they must be turned away.
    pub fn is_late(&self) -> bool {
        self.late.load(Relaxed)
    }
}

/// A connection that reads when it is its turn.
#[derive(Debug)]
pub(crate) struct Gated {
    stream: TcpStream,
    gate: Arc<Gate>,
    reading: Arc<Reading>,
    waiting: Option<Arc<Waiting>>,
    /// Bytes that it may read before it has to ask the gate.
    allowed: usize,
    /// Whether the socket was empty after the last read: what is read next has not waited.
    drained: bool,
}

impl Gated {
    pub fn new(stream: TcpStream, gate: Arc<Gate>, reading: Arc<Reading>) -> Self {
        Self {
            stream,
            gate,
            reading,
            waiting: None,
            allowed: FREE_BYTES,
            drained: true,
        }
    }

    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let gate = &self.gate;
        if self.waiting.is_none() {
            // A connection with nothing to read takes no place in line.
            let _ = ready!(self.stream.poll_read_ready(context));
            if gate.has_room() && gate.line().is_empty() {
                self.reading.late.store(false, Relaxed);
                self.allowed = TURN_BYTES;
                return Poll::Ready(());
            }
        }
        let waiting = self.waiting.get_or_insert_with(|| gate.wait());
        ready!(waiting.poll_called(context));
        let late = waiting.late.load(Relaxed);
        self.reading.late.store(late, Relaxed);
        self.waiting = None;
        self.allowed = TURN_BYTES;
        self.drained = false;
        Poll::Ready(())
    }

    /// The socket is empty: the next in line may read what is left.
    fn end_turn(&mut self) {
        self.drained = true;
        let predicts = self.reading.predicts.load(Relaxed);
        self.allowed = if predicts { 0 } else { FREE_BYTES };
        if predicts && self.gate.has_room() {
            self.gate.call_next();
        }
    }
}

impl AsyncRead for Gated {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.allowed == 0 {
            ready!(this.poll_turn(context));
        }
        let before = buffer.filled().len();
        let read = if this.allowed <= FREE_BYTES {
            read_some(&mut this.stream, context, buffer, this.allowed)
        } else {
            Pin::new(&mut this.stream).poll_read(context, buffer)
        };
        if read.is_pending() {
            // Tokio also says so to let another task run. Then the turn ends early, which does no harm.
            this.end_turn();
            return Poll::Pending;
        }
        let length = buffer.filled().len() - before;
        this.allowed = this.allowed.saturating_sub(length);
        this.gate.was_read(length);
        if std::mem::take(&mut this.drained) {
            this.reading.late.store(false, Relaxed);
        }
        read
    }
}

/// Reads at most so many bytes.
fn read_some(
    stream: &mut TcpStream,
    context: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
    limit: usize,
) -> Poll<io::Result<()>> {
    let limit = limit.min(buffer.remaining());
    let mut some = ReadBuf::new(buffer.initialize_unfilled_to(limit));
    let read = Pin::new(stream).poll_read(context, &mut some);
    let length = some.filled().len();
    buffer.advance(length);
    read
}

impl AsyncWrite for Gated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Connections of one thread, and their clients.
    struct Thread {
        gate: Arc<Gate>,
        listener: TcpListener,
    }

    impl Thread {
        async fn new() -> Self {
            let telemetry = Arc::new(Telemetry::new().unwrap());
            let lane = Lane::each(1).next().unwrap();
            Self {
                gate: Arc::new(Gate::new(lane, telemetry)),
                listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            }
        }

        /// A connection whose client has sent so much.
        async fn connection(&self, predicts: bool, sent: usize) -> (Gated, TcpStream) {
            let client = TcpStream::connect(self.listener.local_addr().unwrap());
            let mut client = client.await.unwrap();
            let (stream, _) = self.listener.accept().await.unwrap();
            let reading = Arc::<Reading>::default();
            let mut gated = Gated::new(stream, Arc::clone(&self.gate), reading);
            if predicts {
                gated.reading.predicts();
                gated.allowed = 0;
            }
            client.write_all(&vec![1; sent]).await.unwrap();
            gated.stream.readable().await.unwrap();
            (gated, client)
        }
    }

    /// Reads once; nothing if it has to wait.
    async fn read(connection: &mut Gated) -> Option<usize> {
        let mut buffer = vec![0; TURN_BYTES];
        tokio::select! {
            biased;
            read = connection.read(&mut buffer) => Some(read.unwrap()),
            () = std::future::ready(()) => None,
        }
    }

    #[tokio::test]
    async fn a_connection_that_would_read_too_much_before_a_batch_waits_in_line() {
        let thread = Thread::new().await;
        let (mut first, _client) = thread.connection(true, READ_BYTES).await;
        let (mut second, _client) = thread.connection(true, 10).await;
        let (mut third, _client) = thread.connection(true, 20).await;
        assert_eq!(read(&mut first).await, Some(READ_BYTES));
        // First come, first served.
        assert_eq!(read(&mut third).await, None);
        assert_eq!(read(&mut second).await, None);
        let mut turns = Vec::new();
        while turns.len() < 2 {
            tokio::task::yield_now().await;
            for connection in [&mut second, &mut third] {
                turns.extend(read(connection).await);
            }
        }
        assert_eq!(turns, [20, 10]);
    }

    #[tokio::test]
    async fn a_connection_that_asks_for_no_prediction_is_not_held_up() {
        let thread = Thread::new().await;
        let (mut predicts, _client) = thread.connection(true, READ_BYTES).await;
        let (mut next, _client) = thread.connection(true, 10).await;
        let (mut checks, _client) = thread.connection(false, 100).await;
        assert_eq!(read(&mut predicts).await, Some(READ_BYTES));
        assert_eq!(read(&mut next).await, None);
        assert_eq!(read(&mut checks).await, Some(100));
    }

    #[tokio::test]
    async fn a_new_connection_reads_little_before_it_has_to_wait_too() {
        let thread = Thread::new().await;
        let (mut first, _client) = thread.connection(true, READ_BYTES).await;
        let (mut next, _client) = thread.connection(true, 10).await;
        let (mut new, _client) = thread.connection(false, 10_000).await;
        assert_eq!(read(&mut first).await, Some(READ_BYTES));
        assert_eq!(read(&mut next).await, None);
        assert_eq!(read(&mut new).await, Some(FREE_BYTES));
        assert_eq!(read(&mut new).await, None);
    }

    #[tokio::test]
    async fn a_connection_with_nothing_to_read_takes_no_place_in_line() {
        let thread = Thread::new().await;
        let (mut first, _client) = thread.connection(true, READ_BYTES).await;
        let (mut idle, _client) = thread.connection(true, 10).await;
        assert_eq!(read(&mut idle).await, Some(10));
        assert_eq!(read(&mut first).await, Some(READ_BYTES));
        assert_eq!(read(&mut idle).await, None);
        assert!(thread.gate.line().is_empty());
    }

    #[tokio::test]
    async fn a_connection_that_is_called_and_does_not_read_holds_nobody_up() {
        let thread = Thread::new().await;
        let (mut first, _client) = thread.connection(true, READ_BYTES).await;
        let (mut stuck, _client) = thread.connection(true, 10).await;
        let (mut gone, _client) = thread.connection(true, 20).await;
        let (mut next, _client) = thread.connection(true, 30).await;
        assert_eq!(read(&mut first).await, Some(READ_BYTES));
        for waiting in [&mut stuck, &mut gone, &mut next] {
            assert_eq!(read(waiting).await, None);
        }
        drop(gone);
        let mut buffer = [0; 64];
        assert_eq!(next.read(&mut buffer).await.unwrap(), 30);
        while thread.gate.opening.load(Relaxed) {
            tokio::task::yield_now().await;
        }
        assert_eq!(read(&mut stuck).await, Some(10));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_in_line_for_too_long_is_late_and_what_comes_then_is_not() {
        let thread = Thread::new().await;
        let (mut first, _client) = thread.connection(true, READ_BYTES).await;
        let (mut second, mut client) = thread.connection(true, 10).await;
        assert_eq!(read(&mut first).await, Some(READ_BYTES));
        assert_eq!(read(&mut second).await, None);
        tokio::time::advance(LONGEST_WAIT).await;
        let mut buffer = [0; 64];
        assert_eq!(second.read(&mut buffer).await.unwrap(), 10);
        assert!(second.reading.is_late());
        assert_eq!(read(&mut second).await, None, "all was read");
        client.write_all(&[1; 5]).await.unwrap();
        assert_eq!(second.read(&mut buffer).await.unwrap(), 5);
        assert!(!second.reading.is_late());
    }
}
