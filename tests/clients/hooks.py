"""What the fuzzer must know about numbers: JSON Schema takes 25.0 for an integer, TensorFlow Serving and Triton do not."""
import schemathesis


def integral(value):
    if isinstance(value, dict):
        return {key: integral(item) for key, item in value.items()}
    if isinstance(value, list):
        return [integral(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**64:
        return int(value)
    return value


@schemathesis.hook
def map_body(context, body):
    return integral(body)
