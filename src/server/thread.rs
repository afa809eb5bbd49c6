//! What one serving thread does: it answers what comes on its connections.

use std::sync::Arc;

use futures_util::future::ready;
use futures_util::{Stream, StreamExt};
use tokio::task::JoinSet;

use crate::readiness::Readiness;
use crate::transport::backpressure::Gate;
use crate::transport::connections::{Connection, Port, Protocol};
use crate::transport::{http1, http2};
use crate::{grpc, http};

/// Who answers on a thread, and when its connections are read.
pub(super) struct Thread {
    pub grpc: Arc<grpc::Door>,
    pub http: Arc<http::Door>,
    pub gate: Arc<Gate>,
    pub readiness: Readiness,
}

impl Thread {
    /// Serves `connections` until there are no more or the server drains, and then until those that are open have
    /// answered what they were asked.
    pub async fn serve(self, connections: impl Stream<Item = Connection>) {
        let mut open = JoinSet::new();
        tokio::select! {
            () = self.readiness.draining() => {}
            () = self.begin_all(connections, &mut open) => {}
        }
        while open.join_next().await.is_some() {}
    }

    /// Once it is dropped, `connections` are gone, and the side is told so that hands them over.
    async fn begin_all(&self, connections: impl Stream<Item = Connection>, open: &mut JoinSet<()>) {
        let mut connections = Box::pin(connections);
        loop {
            tokio::select! {
                Some(_) = open.join_next() => {}
                connection = connections.next() => match connection {
                    Some(connection) => self.begin(connection, open),
                    None => return,
                },
            }
        }
    }

    /// Begins to serve a connection: which port it came in by says who answers.
    fn begin(&self, connection: Connection, open: &mut JoinSet<()>) {
        let (gate, readiness) = (Arc::clone(&self.gate), self.readiness.clone());
        match (connection.port, connection.protocol) {
            (Port::Grpc, Protocol::Http2) => {
                let door = Arc::clone(&self.grpc);
                let answer = move |peer: &_, request| door.answer(peer, request);
                open.spawn(http2::serve(connection, gate, readiness, answer));
            }
            (Port::Grpc, Protocol::Http1) => {
                let door = Arc::clone(&self.http);
                let answer = move |_: &_, request| ready(Ok(door.misdirected(&request)));
                open.spawn(http1::serve(connection, gate, readiness, answer));
            }
            (Port::Http, _) => {
                let door = Arc::clone(&self.http);
                let answer = move |peer: &_, request| door.answer(peer, request);
                open.spawn(http1::serve(connection, gate, readiness, answer));
            }
        }
    }
}
