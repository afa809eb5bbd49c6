//! A tonic server that does nothing: the ceiling for `kiln serve` on the same machine.
//!
//! `PredictStream` is not there, `Predict` answers ten numbers whatever it is asked. One
//! current-thread runtime, as each of Kiln's serving threads has.
//!
//! ```text
//! cargo run --release --example noop -- 127.0.0.1:50052
//! ```

use kiln::grpc::proto::mnist as pb;
use kiln::grpc::proto::mnist::mnist_service_server::{MnistService, MnistServiceServer};
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

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let addr = std::env::args().nth(1).ok_or("usage: noop ADDR")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let server = tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .add_service(MnistServiceServer::new(Noop));
    Ok(runtime.block_on(server.serve(addr))?)
}
