"""LitServe: one worker process, which is what one core has room for, and the fast queue that
it advises for many requests.
"""

import litserve
from fastapi import UploadFile
from network import PORT, Network, answer
from pictures import pixels_of


class Digits(litserve.LitAPI):
    def setup(self, device):
        self.network = Network()

    def decode_request(self, request: UploadFile):
        return pixels_of(request.file)

    def predict(self, pixels):
        return self.network(pixels)[0]

    def encode_response(self, output):
        return answer(output)


if __name__ == "__main__":
    server = litserve.LitServer(Digits(), accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(host="127.0.0.1", port=PORT, num_api_servers=1, log_level="warning", generate_client_file=False)
