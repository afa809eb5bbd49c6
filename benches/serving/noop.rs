//! A tonic server that does nothing: the ceiling for `kiln serve` on the same machine.
//!
//! `PredictStream` is not there, `Predict` answers ten numbers whatever it is asked. One
//! current-thread runtime a thread, as Kiln has; threads get connections in turn.
//!
//! ```text
//! cargo run --release --example noop -- 127.0.0.1:50052 [THREADS]
//! ```

use std::net::{TcpListener, TcpStream};

use kiln::grpc::proto::mnist as pb;
use kiln::grpc::proto::mnist::mnist_service_server::{MnistService, MnistServiceServer};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Response, Status, Streaming};

struct Noop;

#[tonic::async_trait]
impl MnistService for Noop {
    async fn predict(
        &self,
        _: Request<pb::PredictRequest>,
    ) -> Result<Response<pb::PredictResponse>, Status> {
        Ok(Response::new(pb::PredictResponse {
            probabilities: vec![0.1; 10],
            ..Default::default()
        }))
    }

    type PredictStreamStream = futures_util::stream::Pending<Result<pb::PredictResponse, Status>>;

    async fn predict_stream(
        &self,
        _: Request<Streaming<pb::PredictRequest>>,
    ) -> Result<Response<Self::PredictStreamStream>, Status> {
        Err(Status::unimplemented("only Predict is measured"))
    }
}

type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let addr = args.next().ok_or("usage: noop ADDR [THREADS]")?;
    let threads: usize = args.next().map_or(Ok(1), |threads| threads.parse())?;
    let listener = TcpListener::bind(addr)?;
    let threads: Vec<_> = (0..threads)
        .map(|_| {
            let (sender, connections) = mpsc::unbounded_channel();
            std::thread::spawn(|| serve(connections).expect("a thread serves"));
            sender
        })
        .collect();
    for thread in threads.iter().cycle() {
        let (connection, _) = listener.accept()?;
        connection.set_nodelay(true)?;
        connection.set_nonblocking(true)?;
        thread.send(connection)?;
    }
    Ok(())
}

fn serve(connections: mpsc::UnboundedReceiver<TcpStream>) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let incoming = UnboundedReceiverStream::new(connections).map(tokio::net::TcpStream::from_std);
    let server = tonic::transport::Server::builder().add_service(MnistServiceServer::new(Noop));
    Ok(runtime.block_on(server.serve_with_incoming(incoming))?)
}
