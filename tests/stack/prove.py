"""Starts the stack and holds it to its promises; see README.md. Usage: prove.py BINARY FOLDER [--plain]"""

import asyncio
import json
import shutil
import sys
import time
from pathlib import Path

import history
import load
from docker_stack import DockerStack, NoDocker
from images import REPOSITORY
from mnist.v1 import mnist_pb2  # generated below target/ by `run`
from plain_stack import PlainStack
from prometheus import Prometheus, annotations, ask_every_panel, fill_in, panels, variable_values
from report import Report

PREDICTED = 'sum by (instance) (rpc_server_call_duration_seconds_count{job="kiln", rpc_method="mnist.v1.MnistService/Predict", rpc_status_code="OK"})'
# Two scrapes and a little: what has happened by now is in Prometheus then.
SETTLE = 11


class Proof:
    """One run over a running stack."""

    def __init__(self, stack, report):
        self.stack, self.report, self.prometheus = stack, report, Prometheus(stack.prometheus)

    async def run(self):
        await self.starts()
        await self.people_are_answered()
        await self.one_instance_keeps_its_limits()
        await self.three_instances_are_found()
        await self.requests_are_spread()
        await self.every_panel_has_data()
        await self.a_killed_instance_loses_nothing()
        await self.scaling_loses_nothing()
        await self.every_alert_is_quiet()
        await self.a_model_of_ones_own_is_served()

    async def starts(self):
        self.report.step("The stack starts with one instance")
        begun = time.monotonic()
        await self.stack.up(1)
        self.report.say(f"everything is up and healthy after {time.monotonic() - begun:.1f} s")
        blind = ["?"]
        while blind and time.monotonic() - begun < 90:
            await asyncio.sleep(1)
            asked, empty = await self.answers(ask_every_panel(self.prometheus, instant_only=True))
            # What compares with a day before says so in a text of its own.
            blind = [f"{title}: {panel}" for title, panel, _, no_value in empty if not no_value]
        seconds = time.monotonic() - begun
        self.report.check(
            "no panel shows \"No data\" within a minute, before anybody asked anything", not blind and seconds < 60,
            ", ".join(blind) or f"{asked} queries, {seconds:.0f} s after the start",
        )

    async def people_are_answered(self):
        self.report.step("What people ask, through Envoy")
        status, answer = await load.ask(self.stack.http, "/predict", load.SEVEN.read_bytes())
        self.report.check("POST /predict tells the digit of a picture", status == 200 and json.loads(answer)["digit"] == "7", f"{status} {answer[:60]}")
        status, answer = await load.ask(self.stack.http, "/predict", b"no picture")
        self.report.check("and says what is wrong with what is none", status == 400 and json.loads(answer)["status"] == 400, f"{status} {answer[:120]}")
        found = {path: await load.ask(self.stack.http, path) for path in [*load.PAGES, "/readyz", "/metrics"]}
        missing = {path: status for path, (status, _) in found.items() if status != 200}
        self.report.check("the page, the API's description, the models, health and metrics are there", not missing, missing or ", ".join(found))
        self.report.check("and the page is one", b"<html" in found["/"][1].lower()[:200], found["/"][1][:60])
        status, answer = await load.ask(self.stack.http, "/load_model?model_path=none.keras")
        self.report.check("/load_model says that the file is not there", status == 404 and b"Model file not found" in answer, f"{status} {answer[:120]}")
        for port, address in (("50051", self.stack.grpc), ("8000", self.stack.http)):
            digit, details = await load.predict_grpc_web(address)
            self.report.check(f"gRPC-Web on {port} tells the digit", digit == 7, details)

    @staticmethod
    async def answers(question):
        """A question that Prometheus may still be too young for."""
        try:
            return await question
        except OSError as error:
            return 0, [("Prometheus", str(error), "", None)]

    async def one_instance_keeps_its_limits(self):
        self.report.step("One instance under more work than one core can do")
        (name,) = await self.stack.instances()
        used, throttled, _, limit = await self.stack.limits(name)
        begun = time.monotonic()
        result = await load.flood_for(self.stack.grpc, 15, workers=16, picture=load.big_picture(), timeout=60)
        cores = (await self.stack.limits(name))[0] - used
        cores /= time.monotonic() - begun
        _, later, peak, _ = await self.stack.limits(name)
        self.report.say(f"9-megapixel pictures: {result}")
        if isinstance(self.stack, DockerStack):
            self.report.check(
                "its CPU is limited to 1 core and stays below", limit == 1 and cores < 1.05,
                f"{cores:.2f} cores, held back {later - throttled} times",
            )
            self.report.check("its memory stays under its limit of 320 MiB", 0 < peak < 320 * 2**20, f"{peak / 2**20:.0f} MiB at most")
        else:
            self.report.say(f"{cores:.2f} cores, {peak / 2**20:.0f} MiB at most, with no limit set")
        self.report.check("it answered all of them", result.sent > 0 and not result.lost, dict(result.ended))

    async def three_instances_are_found(self):
        self.report.step("Three instances")
        await self.stack.up(3)
        await self.wait_for_targets(3)

    async def wait_for_targets(self, count):
        for _ in range(40):
            up, known = await self.prometheus.targets_up()
            healthy = await self.prometheus.one('envoy_cluster_membership_healthy{envoy_cluster_name="kiln_grpc"}')
            if len(up) == known == count == healthy:
                break
            await asyncio.sleep(1)
        wanted = set((await self.stack.instances()).values())
        self.report.check(f"Prometheus has {count} targets, all up, and no other", set(up) == wanted and known == count, ", ".join(sorted(up)))
        self.report.check(f"Envoy has {count} healthy instances", healthy == count, f"{healthy:.0f}")

    async def predicted(self):
        await asyncio.sleep(SETTLE)
        return {labels["instance"]: value for labels, value in await self.prometheus.instant(PREDICTED)}

    async def requests_are_spread(self):
        self.report.step("Requests over a single connection")
        before = await self.predicted()
        result = await load.flood_for(self.stack.grpc, 12)
        after = await self.predicted()
        counts = {instance: after[instance] - before.get(instance, 0) for instance in after}
        self.report.say(str(result))
        self.report.check("none is lost", result.sent > 0 and not result.lost, dict(result.ended))
        even = sum(counts.values()) / len(counts)
        worst = max(abs(count / even - 1) for count in counts.values())
        self.report.check("they are spread over all three within 20 % of even", worst < 0.2 and len(counts) == 3, f"{counts}, {worst:.1%} off")
        self.report.check("Kiln counted what the client counted", sum(counts.values()) == result.ended["OK"], f"{sum(counts.values()):.0f} and {result.ended['OK']}")

    async def every_panel_has_data(self):
        self.report.step("Mixed traffic, and every query of every panel")
        stop = asyncio.Event()
        traffic = asyncio.create_task(load.mixed(self.stack.grpc, self.stack.http, stop))
        # Five minutes is the longest window but those of the rules, two of which need 15 s and 30 s.
        await asyncio.sleep(45)
        asked, empty = await ask_every_panel(self.prometheus)
        self.report_panels("with All chosen everywhere", asked, empty)
        dashboard, _ = next(panels())
        offered = await variable_values(self.prometheus, dashboard)
        self.report.check("the variables offer instances, models and methods", all(offered.values()), {name: len(values) for name, values in offered.items()})
        chosen = {"instance": offered["instance"], "model": offered["model"][:1], "method": offered["method"][:2]}
        asked, empty = await ask_every_panel(self.prometheus, chosen)
        # History has an instance of its own, so a day before is asked with All only.
        self.report_panels(f"with {chosen} chosen", asked, [each for each in empty if "offset 1d" not in each[2]])
        starts = [fill_in(expr, dashboard, {}) for dashboard, name, expr in annotations() if name == "Restarts"]
        marks = [await self.prometheus.instant(expr) for expr in starts]
        self.report.check("the annotation of restarts marks each instance", all(len(mark) >= 3 for mark in marks), [len(mark) for mark in marks])
        for loads in [fill_in(expr, dashboard, {}) for dashboard, name, expr in annotations() if name == "Model loads"]:
            await self.prometheus.instant(loads)  # none since the start; an error would end the proof
        stop.set()
        ended = await traffic
        self.report.say(", ".join(f"{kind} {status} {count}" for (kind, status), count in sorted(ended.items())))
        kinds = {("good", "OK"), ("streamed", "OK"), ("wrong", "INVALID_ARGUMENT"), ("wrong", "NOT_FOUND"), ("given up", "CANCELLED"), ("unknown", "UNIMPLEMENTED"), ("posted", "200"), ("posted wrong", "400"), ("looked", "200"), ("probed", "200"), ("lost its way", "404")}
        self.report.check("every kind of traffic ended as it should", kinds <= set(ended), kinds - set(ended) or "")
        refused = {kind: count for kind, count in ended.items() if kind[1] == "UNAVAILABLE"}
        self.report.check("none of it was refused for want of an instance", not refused, refused or "")

    def report_panels(self, how, asked, empty):
        self.report.check(f"every query of every panel answers with data, {how}", not empty, f"{asked - len(empty)} of {asked}")
        for title, panel, expr, _ in empty:
            self.report.say(f"no data: {title}, {panel}: {expr}")

    async def a_killed_instance_loses_nothing(self):
        self.report.step("One instance is killed under load")
        stop = asyncio.Event()
        traffic = self.both_floods(stop)
        await asyncio.sleep(5)
        victim, address = sorted((await self.stack.instances()).items())[1]
        await self.stack.kill(victim)
        await asyncio.sleep(12)
        retried = await self.prometheus.one('sum(envoy_cluster_upstream_rq_retry_success{envoy_cluster_name=~"kiln_grpc|attempt"})')
        up, _ = await self.prometheus.targets_up()
        self.report.check("two instances go on", len(up) == 2, f"{victim} is gone, {up} are up")
        await self.stack.revive(victim)
        await asyncio.sleep(8)
        stop.set()
        self.report_floods(await traffic)
        self.report.say(f"{retried:.0f} sent again by Envoy")
        await self.wait_for_targets(3)
        address = (await self.stack.instances())[victim]
        before = await self.predicted()
        await load.flood_for(self.stack.grpc, 6)
        after = await self.predicted()
        share = (after[address] - before.get(address, 0)) / sum(after[each] - before.get(each, 0) for each in after)
        self.report.check("the instance that came back gets its third again", abs(share * 3 - 1) < 0.2, f"{share:.1%} of the requests")

    async def scaling_loses_nothing(self):
        self.report.step("3 → 5 → 2 instances under load")
        stop = asyncio.Event()
        traffic = self.both_floods(stop)
        await asyncio.sleep(3)
        await self.stack.up(5)
        await self.wait_for_targets(5)
        await asyncio.sleep(3)
        await self.stack.up(2)
        await self.wait_for_targets(2)
        await asyncio.sleep(3)
        stop.set()
        self.report_floods(await traffic)

    def both_floods(self, stop):
        return asyncio.gather(load.flood(self.stack.grpc, stop), load.flood_http(self.stack.http, stop))

    def report_floods(self, results):
        for door, result in zip(("gRPC", "HTTP"), results, strict=True):
            self.report.say(f"{door}: {result}")
            self.report.check(f"no request over {door} is lost", result.sent > 0 and not result.lost, f"{dict(result.ended)} {result.failures[:3] or ''}")

    async def every_alert_is_quiet(self):
        self.report.step("Alerts")
        fired = [f"{labels['alertname']} {labels}" for labels, _ in await self.prometheus.instant('last_over_time(ALERTS{alertstate="firing"}[30m])')]
        for _ in range(40):
            restless, rules = await self.prometheus.restless_alerts()
            if not restless:
                break
            await asyncio.sleep(3)
        self.report.check("every alert rule is quiet at the end", rules > 0 and not restless, f"{rules} rules {restless or ''}")
        self.report.check("none fired meanwhile", not fired, "; ".join(fired))

    async def a_model_of_ones_own_is_served(self):
        self.report.step("A model of one's own, and its labels")
        labels = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu"]
        folder = self.stack.folder / "models"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / "tests/fixtures/keras/dense.keras", folder / "animals.keras")
        (folder / "animals.labels.txt").write_text("\n".join(labels))
        await self.stack.serve(folder, "animals.keras")
        # As many pixels as it has: 4 rows of 6.
        answer = await load.predict(self.stack.grpc, mnist_pb2.PredictRequest(pixels=bytes(24)))
        self.report.check("its name and its labels come with the answer", answer.model == "animals" and answer.label in labels, f"{answer.model}, {answer.label}")
        await asyncio.sleep(SETTLE)
        (instance,) = (await self.stack.instances()).values()
        served = {each["model"] for each, _ in await self.prometheus.instant(f'kiln_model_info{{instance="{instance}"}}')}
        counted = await self.prometheus.one(f'kiln_predictions_total{{instance="{instance}", model="animals", class="{answer.label}"}}')
        self.report.check("it alone is served, and Prometheus counts its answers by label", served == {"animals"} and counted == 1, f"{served}, {counted:.0f}")


def make_stack(report, binary, folder, plain):
    envoy = Path(sys.prefix) / "bin/envoy"
    if not plain:
        try:
            return DockerStack(folder, binary, envoy, report)
        except NoDocker as reason:
            report.not_proved(f"the containers. No Docker daemon starts here: {reason}")
    return PlainStack(folder, binary, envoy, report)


def main():
    binary, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    report = Report()
    report.step("Images, and samples of a day ago")
    stack = make_stack(report, binary, folder, "--plain" in sys.argv[3:])
    report.say(f"the stack is made of {stack.kind}")
    try:
        stack.prepare(history.openmetrics())
        asyncio.run(Proof(stack, report).run())
    except Exception as error:  # the report goes on to its end, with the logs
        report.check("the proof runs to its end", False, f"{type(error).__name__}: {error}")
        print(asyncio.run(stack.logs()), flush=True)
    finally:
        stack.stop()
    sys.exit(report.end())


if __name__ == "__main__":
    main()
