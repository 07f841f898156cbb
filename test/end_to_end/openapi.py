# SPDX-License-Identifier: Apache-2.0
"""Holds answers of the API against api/openapi.yaml: statuses, bodies, every property. Used by api_test."""
import os
import urllib.parse

import yaml

from harness import ROOT


class Description:
    def __init__(self):
        with open(os.path.join(ROOT, "api/openapi.yaml")) as file:
            self.document = yaml.safe_load(file)
        self.seen = set()  # "GET /api/v1/daemon 200"

    def operations(self):
        """All that is described, as "GET /api/v1/daemon"."""
        return {f"{method.upper()} {path}" for path, methods in self.document["paths"].items() for method in methods}

    def resolved(self, node):
        while "$ref" in node:
            target = node["$ref"]
            node = self.document
            for step in target.removeprefix("#/").split("/"):
                node = node[step]
        return node

    def objections(self, method, target, status, body):
        """What of that answer is not as described, as sentences."""
        path = urllib.parse.urlsplit(target).path
        described = self.document["paths"].get(path, {}).get(method.lower())
        if described is None:
            refused = self.document["components"]["responses"]["Refused"]
            return self.mismatches(body, self.schema_of(refused)) if status in (400, 404) else [f"{status} of what is not described"]
        responses = described["responses"]
        response = responses.get(str(status)) or (responses.get("default") if status >= 400 else None)
        if status == 400 and response is None:  # BadRequest and missing parameters: said once for all in the description
            response = self.document["components"]["responses"]["Refused"]
        if response is None:
            return [f"{method} {path} answers {status}, which is not described"]
        self.seen.add(f"{method} {path} {status}")
        schema = self.schema_of(self.resolved(response))
        if schema is None:
            return [] if body is None else [f"{method} {path} {status} has a body, none is described"]
        return self.mismatches(body, schema)

    @staticmethod
    def schema_of(response):
        return response["content"]["application/json"]["schema"] if "content" in response else None

    def mismatches(self, value, schema, where="body"):
        schema = self.resolved(schema)
        if "oneOf" in schema:
            each = [self.mismatches(value, one, where) for one in schema["oneOf"]]
            return [] if sum(not said for said in each) == 1 else [f"{where} is not one of the forms: {each}"]
        if value is None and schema.get("nullable"):
            return []
        kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "number": (int, float)}
        wanted = kinds[schema["type"]]
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            return [f"{where} is {value!r:.80}, described is {schema['type']}"]
        if "enum" in schema and value not in schema["enum"]:
            return [f"{where} is {value!r}, described are {schema['enum']}"]
        said = []
        if wanted is list:
            if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
                said.append(f"{where} has {len(value)} items")
            for number, item in enumerate(value):
                said += self.mismatches(item, schema["items"], f"{where}[{number}]")
        if wanted is dict:
            properties, more = schema.get("properties"), schema.get("additionalProperties", False)
            said += [f"{where} lacks {name}" for name in schema.get("required", []) if name not in value]
            for name, item in value.items():
                if properties and name in properties:
                    said += self.mismatches(item, properties[name], f"{where}.{name}")
                elif isinstance(more, dict):
                    said += self.mismatches(item, more, f"{where}.{name}")
                elif properties is not None:
                    said.append(f"{where}.{name} is not described")
        return said
