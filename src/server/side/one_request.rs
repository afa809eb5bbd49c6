//! A connection of which one request is read, up to the end of its headers and no further.
//!
//! What comes next stays in the socket, so that it can be looked at, and served by another thread.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection until the end of a request's headers; then it reads as if the client had said all.
pub(super) struct OneRequest<'a> {
    stream: &'a mut TcpStream,
    seen: Seen,
}

/// How much has been seen of the empty line that ends the headers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Nothing,
    /// The end of a line, and perhaps a carriage return after it.
    Line,
    End,
}

impl<'a> OneRequest<'a> {
    pub fn new(stream: &'a mut TcpStream) -> Self {
        let seen = Seen::Nothing;
        Self { stream, seen }
    }
}

impl Seen {
    /// How many of these bytes belong to the headers.
    fn advance(&mut self, bytes: &[u8]) -> usize {
        for (at, byte) in bytes.iter().enumerate() {
            *self = match (*self, byte) {
                (Self::Line, b'\n') => {
                    *self = Self::End;
                    return at + 1;
                }
                (Self::Line, b'\r') | (_, b'\n') => Self::Line,
                _ => Self::Nothing,
            };
        }
        bytes.len()
    }
}

impl AsyncRead for OneRequest<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.seen == Seen::End {
            return Poll::Ready(Ok(()));
        }
        let room = buffer.initialize_unfilled();
        let mut peeked = ReadBuf::new(room);
        let length = ready!(this.stream.poll_peek(context, &mut peeked))?;
        let mut seen = this.seen;
        let length = seen.advance(&peeked.filled()[..length]);
        let mut some = ReadBuf::new(&mut room[..length]);
        // What was seen is there to be read, unless tokio wants another task to run first; then it is looked at again.
        ready!(Pin::new(&mut *this.stream).poll_read(context, &mut some))?;
        this.seen = seen;
        let length = some.filled().len();
        buffer.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for OneRequest<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(context, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write_vectored(context, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(context)
    }

    /// The connection goes on.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_end_with_an_empty_line_however_they_are_cut() {
        for (text, length) in [
            ("GET / HTTP/1.1\r\na: b\r\n\r\nGET", 24),
            ("GET / HTTP/1.1\n\nGET", 16),
            ("GET / HTTP/1.1\r\na: b\r\n\nGET", 23),
            ("GET / HTTP/1.1\r\na: b\r\nc\r\r\n", 26),
        ] {
            for size in 1..=text.len() {
                let (mut seen, mut read) = (Seen::Nothing, 0);
                for piece in text.as_bytes().chunks(size) {
                    if seen != Seen::End {
                        read += seen.advance(piece);
                    }
                }
                assert_eq!(read, length, "{text:?} in pieces of {size}");
            }
        }
    }
}
