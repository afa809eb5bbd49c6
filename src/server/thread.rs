//! What one serving thread does: it answers what comes on its connections.

use std::pin::pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use tokio::task::JoinSet;

use crate::grpc;
use crate::readiness::Readiness;
use crate::transport::backpressure::Gate;
use crate::transport::connections::Connection;
use crate::transport::http2;

/// Who answers on a thread, and when its connections are read.
pub(super) struct Thread {
    pub grpc: Arc<grpc::Door>,
    pub gate: Arc<Gate>,
    pub readiness: Readiness,
}

impl Thread {
    /// Serves `connections` until there are no more or the server drains, and then until those that are open have
    /// answered what they were asked.
    pub async fn serve(self, connections: impl Stream<Item = Connection>) {
        let mut connections = pin!(connections);
        let mut draining = pin!(self.readiness.draining());
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                () = &mut draining => break,
                Some(_) = open.join_next() => {}
                connection = connections.next() => match connection {
                    Some(connection) => {
                        let grpc = Arc::clone(&self.grpc);
                        let (gate, readiness) = (Arc::clone(&self.gate), self.readiness.clone());
                        open.spawn(http2::serve(connection, gate, readiness, move |peer, request| {
                            grpc.answer(peer, request)
                        }));
                    }
                    None => break,
                },
            }
        }
        while open.join_next().await.is_some() {}
    }
}
