"""Real clients against a real kerasd: one line per client and call. run.sh starts it with the packages it needs.

usage: clients.py [--record FILE]     writes the exchanges down for tests/http/replay.py
"""
import asyncio
import json
import os
import sys

import numpy
import requests
import tritonclient.http as triton
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "http"))
from daemon import SOURCE, Daemon, check  # noqa: E402
from record import Recorder  # noqa: E402

MODELS = os.path.join(SOURCE, "tests", "http", "models")
KINDS = {"bool": ("BOOL", "bool", [True, False]), "uint8": ("UINT8", "uint8", [0, 255]), "int8": ("INT8", "int8", [-128, 127]),
         "int32": ("INT32", "int32", [-2**31, 2**31 - 1]), "uint32": ("UINT32", "uint32", [0, 2**32 - 1]),
         "float64": ("FP64", "float64", [0.5, -2.0]), "float16": ("FP16", "float16", [1.5, -0.25]),
         "string": ("BYTES", "object", [b"ab", b""])}
failures = 0
recorder = None


def line(client, call, run):
    global failures
    if recorder:
        recorder.call = client + ": " + call
    try:
        run()
        print("ok   %-12s %s" % (client, call))
    except Exception as error:
        failures += 1
        print("FAIL %-12s %s: %s: %s" % (client, call, type(error).__name__, str(error)[:300]))


def raises(run, text):
    try:
        run()
    except Exception as error:
        check(text in str(error), "expected %r in %r" % (text, str(error)))
        return
    check(False, "expected an error with %r" % text)


# ---- tritonclient.http ----

def row(name="x", data=((1, 2),), binary=True, datatype="FP32"):
    array = numpy.array(data, "float32")
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def triton_calls(address):
    client = triton.InferenceServerClient(address.split("//")[1])
    output = lambda **more: [triton.InferRequestedOutput("y", **more)]
    infer = lambda **more: client.infer("m", more.pop("inputs", [row()]), **more)

    def say(call, run):
        line("tritonclient", call, run)

    say("is_server_live", lambda: check(client.is_server_live(), "live"))
    say("is_server_ready", lambda: check(client.is_server_ready(), "ready"))
    say("is_model_ready", lambda: check(client.is_model_ready("m") and client.is_model_ready("m", "1"), "ready"))
    say("is_model_ready unknown", lambda: check(not client.is_model_ready("none"), "not ready"))
    say("get_server_metadata", lambda: check("statistics" in client.get_server_metadata()["extensions"], "extensions"))
    say("get_model_metadata", lambda: check(client.get_model_metadata("m")["inputs"][0]["shape"] == [-1, 2], "shape"))
    say("get_model_config", lambda: check(client.get_model_config("m")["input"][0]["dims"] == [2], "dims"))
    say("get_model_repository_index", lambda: check(len(client.get_model_repository_index()) == 6, "index"))
    say("get_inference_statistics", lambda: check(len(client.get_inference_statistics()["model_stats"]) == 6, "stats"))
    say("get_inference_statistics model",
        lambda: check(client.get_inference_statistics("m", "1")["model_stats"][0]["name"] == "m", "stats"))
    for name, more in (("binary", {}), ("binary outputs", {"outputs": output()}), ("json outputs", {"outputs": output(binary_data=False)}),
                       ("json inputs", {"inputs": [row(binary=False)]}), ("id", {"request_id": "my-id"}),
                       ("json", {"inputs": [row(binary=False)], "outputs": output(binary_data=False)}),
                       ("priority and timeout", {"priority": 1, "timeout": 5000000}), ("parameters", {"parameters": {"a": 1, "b": "x"}}),
                       ("headers", {"headers": {"X-Request-Id": "a"}}), ("query", {"query_params": {"q": 1}}),
                       ("gzip request", {"request_compression_algorithm": "gzip"}),
                       ("deflate request", {"request_compression_algorithm": "deflate"}),
                       ("gzip answer", {"response_compression_algorithm": "gzip"}),
                       ("deflate answer", {"response_compression_algorithm": "deflate"}),
                       ("both", {"request_compression_algorithm": "gzip", "response_compression_algorithm": "gzip"}),
                       ("version", {"model_version": "1"})):
        say("infer " + name, lambda: check(infer(**dict(more)).as_numpy("y").tolist() == [[3.0]], "y"))
    say("infer id is echoed", lambda: check(infer(request_id="my-id").get_response()["id"] == "my-id", "id"))
    say("async_infer", lambda: check(client.async_infer("m", [row()]).get_result().as_numpy("y").tolist() == [[3.0]], "y"))
    say("infer wrong shape", lambda: raises(lambda: infer(inputs=[row(data=((1, 2, 3),))]), "unexpected shape for input 'x'"))
    say("infer unknown model", lambda: raises(lambda: client.infer("none", [row()]), "unknown model: 'none'"))
    say("infer unknown output",
        lambda: raises(lambda: infer(outputs=[triton.InferRequestedOutput("z")]), "unexpected inference output 'z'"))
    say("infer classification", lambda: check(client.infer("same", [row(data=((0.1, 0.7, 0.2),))], outputs=[
        triton.InferRequestedOutput("y", class_count=2)]).as_numpy("y").tolist() == [[b"0.700000:1", b"0.200000:2"]], "classes"))
    say("infer every datatype", lambda: all_datatypes(client, True))
    say("infer every datatype but half, json", lambda: all_datatypes(client, False))
    say("unload_model", lambda: client.unload_model("m"))
    say("is_model_ready after it", lambda: check(not client.is_model_ready("m"), "not ready"))
    say("infer after it", lambda: raises(infer, "has no available versions"))
    say("load_model", lambda: client.load_model("m"))
    say("infer after that", lambda: check(infer().as_numpy("y").tolist() == [[3.0]], "y"))
    say("load_model unknown", lambda: raises(lambda: client.load_model("none"), "failed to load 'none'"))
    say("load_model with files", lambda: raises(lambda: client.load_model("m", config="{}", files={"file:1/model.h5": b"x"}),
                                                "not supported"))
    say("load_model with a configuration", lambda: raises(lambda: client.load_model("m", config="{}"), "not supported"))
    for call, run in (("get_system_shared_memory_status", client.get_system_shared_memory_status),
                      ("register_system_shared_memory", lambda: client.register_system_shared_memory("a", "/a", 8)),
                      ("unregister_system_shared_memory", client.unregister_system_shared_memory),
                      ("get_cuda_shared_memory_status", client.get_cuda_shared_memory_status),
                      ("register_cuda_shared_memory", lambda: client.register_cuda_shared_memory("a", b"x", 0, 8)),
                      ("unregister_cuda_shared_memory", lambda: client.unregister_cuda_shared_memory("a")),
                      ("get_trace_settings", client.get_trace_settings),
                      ("update_trace_settings", lambda: client.update_trace_settings("m", {"trace_level": ["OFF"]})),
                      ("get_log_settings", client.get_log_settings),
                      ("update_log_settings", lambda: client.update_log_settings({"log_info": True}))):
        say(call, lambda: raises(run, "not supported"))
    say("generate_request_body and parse_response_body", lambda: generated(address))
    say("aio infer", lambda: asyncio.run(triton_aio(address)))
    client.close()


def generated(address):
    """The bodies that the client makes for other HTTP libraries."""
    body, head_length = triton.InferenceServerClient.generate_request_body([row()])
    answer = requests.post(address + "/v2/models/m/infer", body, headers={"Inference-Header-Content-Length": str(head_length)})
    result = triton.InferenceServerClient.parse_response_body(
        answer.content, header_length=int(answer.headers["Inference-Header-Content-Length"]))
    check(result.as_numpy("y").tolist() == [[3.0]], "y")


def all_datatypes(client, binary):
    inputs, wanted = [], {}
    for kind, (datatype, dtype, values) in KINDS.items():
        tensor = triton.InferInput("in_" + kind, [2], datatype)
        tensor.set_data_from_numpy(numpy.array(values, dtype), binary_data=binary or kind == "float16")
        inputs.append(tensor)
        wanted["out_" + kind] = values
    outputs = [triton.InferRequestedOutput(name, binary_data=binary or name == "out_float16") for name in wanted]
    result = client.infer("kinds", inputs, outputs=outputs)
    for name, values in wanted.items():
        got = result.as_numpy(name).tolist()
        got = [item.encode() if isinstance(item, str) else item for item in got]
        check(got == values, (name, got))


async def triton_aio(address):
    import tritonclient.http.aio as aio
    async with aio.InferenceServerClient(address.split("//")[1]) as client:
        tensor = aio.InferInput("x", [1, 2], "FP32")
        tensor.set_data_from_numpy(numpy.array([[1, 2]], "float32"))
        results = await asyncio.gather(*[client.infer("m", [tensor]) for _ in range(20)])
        check(all(result.as_numpy("y").tolist() == [[3.0]] for result in results), "y")


# ---- the KServe SDK ----

async def kserve_v1(address):
    client = InferenceRESTClient(RESTConfig(protocol="v1", timeout=30))
    check(await client.is_server_live(address), "live")
    check(await client.is_model_ready(address, "m"), "ready")
    answer = await client.infer(address, {"instances": [[1, 2]]}, model_name="m")
    check(answer == {"predictions": [[3.0]]}, answer)
    await client.close()


async def kserve_v2(address, binary):
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30))
    check(await client.is_server_live(address), "live")
    check(await client.is_server_ready(address), "ready")
    check(await client.is_model_ready(address, "m"), "ready")
    tensor = InferInput("x", [1, 2], "FP32")
    tensor.set_data_from_numpy(numpy.array([[1, 2]], "float32"), binary_data=binary)
    answer = await client.infer(address, InferRequest(model_name="m", infer_inputs=[tensor]), model_name="m")
    check(answer.outputs[0].as_numpy().tolist() == [[3.0]], answer)
    await client.close()


async def kserve_error(address):
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30, retries=0))
    try:
        await client.infer(address, {"inputs": [{"name": "z", "shape": [1], "datatype": "FP32", "data": [1]}]}, model_name="m")
        check(False, "an error was expected")
    except Exception as error:
        check("unexpected inference input 'z'" in str(error), str(error))
    await client.close()


async def kserve_explain(address):
    client = InferenceRESTClient(RESTConfig(protocol="v1", timeout=30, retries=0))
    try:
        await client.explain(address, "m", {"instances": [[1, 2]]})
        check(False, "an error was expected")
    except Exception as error:
        check("explain" in str(error), str(error))
    await client.close()


def kserve_calls(address):
    line("kserve", "v1 live, ready, infer", lambda: asyncio.run(kserve_v1(address)))
    line("kserve", "v1 explain is refused", lambda: asyncio.run(kserve_explain(address)))
    line("kserve", "v2 live, ready, infer, JSON", lambda: asyncio.run(kserve_v2(address, False)))
    line("kserve", "v2 live, ready, infer, binary", lambda: asyncio.run(kserve_v2(address, True)))
    line("kserve", "v2 error text", lambda: asyncio.run(kserve_error(address)))


# ---- requests, with the documented examples of TensorFlow Serving ----

def requests_calls(address):
    session = requests.Session()

    def say(call, run):
        line("requests", call, run)

    def post(path, body):
        answer = session.post(address + path, data=body if isinstance(body, str) else json.dumps(body))
        answer.raise_for_status()
        return answer.json()

    hpt = "/v1/models/hpt"
    say("predict rows", lambda: check(post(hpt + ":predict", {"instances": [1.0, 2.0, 5.0]}) == {"predictions": [2.5, 3.0, 4.5]}, ""))
    say("predict columns", lambda: check(post(hpt + ":predict", {"inputs": [1.0, 2.0, 5.0]}) == {"outputs": [2.5, 3.0, 4.5]}, ""))
    say("predict by version", lambda: check(post(hpt + "/versions/1:predict", {"instances": [1.0]})["predictions"] == [2.5], ""))
    say("predict named", lambda: check(post("/v1/models/ab:predict", {"signature_name": "serving_default", "instances": [
        {"a": [1, 2], "b": 3}, {"a": [3, 4], "b": 5}]})["predictions"][1] == {"s": 5, "d": [6.0, 8.0]}, ""))
    say("predict NaN", lambda: check(str(post(hpt + ":predict", {"instances": [float("nan"), float("inf")]})) ==
                                     "{'predictions': [nan, inf]}", ""))
    say("regress", lambda: check(post(hpt + ":regress", {"examples": [{"x": 1.0}, {"x": 2.0}]})["results"] == [2.5, 3.0], ""))
    say("classify", lambda: check(post("/v1/models/same:classify", {"examples": [{"x": [0.5, 0.25]}]})["results"] ==
                                  [[["", 0.5], ["", 0.25]]], ""))
    say("status", lambda: check(session.get(address + hpt).json()["model_version_status"][0]["state"] == "AVAILABLE", ""))
    say("metadata", lambda: check("signature_def" in session.get(address + hpt + "/metadata").json()["metadata"], ""))
    say("json= with a content type", lambda: check(session.post(address + hpt + ":predict", json={"instances": [1]}).json() ==
                                                   {"predictions": [2.5]}, ""))
    say("a generator (chunked)", lambda: check(session.post(address + hpt + ":predict", data=(
        piece for piece in (b'{"inst', b'ances":', b"[1]}"))).json() == {"predictions": [2.5]}, ""))
    say("reload", lambda: check(session.post(address + "/v1/config/reload").status_code == 200, ""))


def main():
    global recorder
    with Daemon(*[os.path.join(MODELS, name + ".h5") for name in ("m", "ab", "hpt", "text", "same", "kinds")]) as daemon:
        recorder = Recorder(daemon.address) if sys.argv[1:2] == ["--record"] else None
        address = recorder.address if recorder else daemon.address
        triton_calls(address)
        kserve_calls(address)
        requests_calls(address)
        if recorder:
            recorder.write(sys.argv[2])
    print("%d failures" % failures)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
