/* v2_repository: Triton's model repository extension: index, load, unload. A name is a name, never a path; files and
 * configurations in a request are refused. */
#include <inttypes.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/str.h"
#include "http/json_out.h"
#include "http/request.h"
#include "http/route.h"
#include "http/server.h"
#include "http/v2.h"

/* The body as JSON object; an empty one is fine (*ret NULL). False if it was refused. */
static bool parse_body(struct request *request, cJSON **ret)
{
    *ret = NULL;
    if (request->text.length == 0)
        return true;
    *ret = cJSON_ParseWithLength(request->text.data, request->text.length);
    if (cJSON_IsObject(*ret))
        return true;
    answer_text(request, 400, "failed to parse the request JSON buffer: an object is expected");
    cJSON_Delete(*ret);
    return false;
}

/* ---- index ---- */

static const char *index_state(enum registry_state state)
{
    switch (state) {
    case REGISTRY_AVAILABLE:
        return "READY";
    case REGISTRY_START:
    case REGISTRY_LOADING:
        return "LOADING";
    case REGISTRY_UNLOADING:
        return "UNLOADING";
    case REGISTRY_END:
        return "UNAVAILABLE";
    default:
        return "UNKNOWN";
    }
}

static void put_entry(struct buf *buf, const struct registry_status *status)
{
    buf_puts(buf, "{\"name\":");
    json_out_string(buf, status->model);
    if (status->state != REGISTRY_UNKNOWN)
        buf_printf(buf, ",\"version\":\"%" PRId64 "\",\"state\":\"%s\"", status->version, index_state(status->state));
    if (status->state == REGISTRY_END) {
        buf_puts(buf, ",\"reason\":");
        json_out_string(buf, status->error[0] ? status->error : "unloaded");
    }
    buf_putc(buf, '}');
}

void v2_index(struct request *request)
{
    struct registry_snapshot *snapshot;
    struct err err;
    cJSON *body;
    size_t n = 0;
    if (!parse_body(request, &body))
        return;
    const cJSON *ready = cJSON_GetObjectItemCaseSensitive(body, "ready");
    bool only_ready = cJSON_IsTrue(ready), wrong = ready && !cJSON_IsBool(ready);
    cJSON_Delete(body);
    if (wrong) {
        answer_text(request, 400, "Unable to parse 'ready': attempt to access JSON non-boolean as boolean");
        return;
    }
    if (registry_snapshot(request->http->registry, NULL, &snapshot, &err) != 0) {
        answer_error(request, &err);
        return;
    }
    struct buf *buf = answer(request, 200);
    buf_putc(buf, '[');
    for (size_t i = 0; i < snapshot->n; i++) {
        if (only_ready && snapshot->items[i].state != REGISTRY_AVAILABLE)
            continue;
        buf_puts(buf, n++ ? "," : "");
        put_entry(buf, &snapshot->items[i]);
    }
    buf_putc(buf, ']');
    registry_snapshot_free(snapshot);
}

/* ---- load and unload ---- */

static bool parameters_ok(struct request *request, bool load)
{
    cJSON *body, *item;
    if (!parse_body(request, &body))
        return false;
    cJSON *parameters = cJSON_GetObjectItemCaseSensitive(body, "parameters");
    if (parameters && !cJSON_IsObject(parameters)) {
        answer_text(request, 400, "Unable to parse 'parameters': an object is expected");
        parameters = NULL;
    }
    cJSON_ArrayForEach(item, parameters)
    {
        if (load && (str_equal(item->string, "config") || str_starts(item->string, "file:")))
            answer_text(request, 501, "a load with '%s' is not supported: models come from the configured files",
                        str_equal(item->string, "config") ? "config" : "file:");
        else if (load || !str_equal(item->string, "unload_dependents"))
            answer_text(request, 400, "unknown parameter '%.100s'", item->string);
        else if (!cJSON_IsBool(item))
            answer_text(request, 400, "Unable to parse 'unload_dependents': a boolean is expected");
    }
    cJSON_Delete(body);
    return request->response.status == 0;
}

static void answer_done(struct request *request, const char *verb)
{
    struct buf *buf = answer(request, 200);
    buf_puts(buf, "{\"name\":");
    json_out_string(buf, request->model);
    buf_printf(buf, ",\"%s\":true}", verb);
}

static void load_over(struct request *request)
{
    const struct registry_command *command = &request->command;
    if (command->code == 0)
        answer_done(request, "load");
    else if (command->code == KD_ENOTFOUND || command->code == KD_EUNAVAILABLE)
        answer_text(request, command->code == KD_ENOTFOUND ? 404 : 503,
                    "failed to load '%s', failed to poll from model repository: %s", request->model, command->err.text);
    else
        answer_text(request, 400, "load failed for model '%s': %s", request->model, command->err.text);
}

static void unload_over(struct request *request)
{
    if (request->command.code)
        answer_error(request, &request->command.err);
    else
        answer_done(request, "unload");
}

void v2_load(struct request *request)
{
    if (parameters_ok(request, true))
        request_command(request, REGISTRY_LOAD, request->model, load_over);
}

void v2_unload(struct request *request)
{
    if (parameters_ok(request, false))
        request_command(request, REGISTRY_UNLOAD, request->model, unload_over);
}

void v2_named_repository(struct request *request)
{
    answer_text(request, 501, "'repository_name' specification is not supported");
}
