# SPDX-License-Identifier: ISC
"""Anthropic's /messages, as llm_server.py answers it: the same answer in
another shape. Made of OpenAI's, which the script may have changed."""

import json

STOP_REASONS = {"stop": "end_turn", "length": "max_tokens",
                "tool_calls": "tool_use", "content_filter": "refusal"}


def reshape(answer):
    """A whole message, of an answer as chat/completions gives it."""
    choice = answer["choices"][0]
    message = choice["message"]
    reason = choice["finish_reason"]
    blocks = []
    if message.get("reasoning_content"):
        blocks.append({"type": "thinking", "signature": "c2ln",
                       "thinking": message["reasoning_content"]})
    if message.get("content"):
        blocks.append({"type": "text", "text": message["content"]})
    for call in message.get("tool_calls", []):
        blocks.append({"type": "tool_use", "id": call["id"],
                       "name": call["function"]["name"],
                       "input": json.loads(call["function"]["arguments"])})
    usage = answer["usage"] or {}
    return {"id": answer["id"].replace("chatcmpl", "msg"),
            "type": "message", "role": "assistant", "model": answer["model"],
            "content": blocks,
            "stop_reason": STOP_REASONS.get(reason, reason),
            "stop_sequence": None,
            "usage": {"input_tokens": usage.get("prompt_tokens", 0),
                      "output_tokens": usage.get("completion_tokens", 0)}}


def deltas(block, pieces):
    """A block as it opens, and what is added to it then."""
    kind = block["type"]
    if kind == "text":
        return {**block, "text": ""}, [
            {"type": "text_delta", "text": piece}
            for piece in pieces(block["text"])]
    if kind == "thinking":
        return {**block, "thinking": "", "signature": ""}, [
            {"type": "thinking_delta", "thinking": piece}
            for piece in pieces(block["thinking"])] + [
            {"type": "signature_delta", "signature": block["signature"]}]
    text = json.dumps(block["input"])
    return {**block, "input": {}}, [
        {"type": "input_json_delta", "partial_json": part}
        for part in ("", text[:3], text[3:])]


def events(message, pieces):
    """The events of a stream that says the same."""
    usage = message["usage"]
    opening = {**message, "content": [], "stop_reason": None,
               "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": opening}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        empty, parts = deltas(block, pieces)
        yield {"type": "content_block_start", "index": index,
               "content_block": empty}
        for delta in parts:
            yield {"type": "content_block_delta", "index": index,
                   "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta",
           "delta": {"stop_reason": message["stop_reason"],
                     "stop_sequence": None},
           "usage": {"output_tokens": usage["output_tokens"]}}
    yield {"type": "message_stop"}


def stream(message, pieces):
    """These events as they go over the wire."""
    return "".join(
        f"event: {event['type']}\n"
        f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
        for event in events(message, pieces))


def error(status, text):
    """The body of a refusal."""
    kinds = {400: "invalid_request_error", 401: "authentication_error",
             403: "permission_error", 404: "not_found_error",
             413: "request_too_large", 429: "rate_limit_error",
             529: "overloaded_error"}
    return {"type": "error",
            "error": {"type": kinds.get(status, "api_error"),
                      "message": text}}
