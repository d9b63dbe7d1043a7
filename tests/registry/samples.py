"""Documents to read: a small shop, and what it may become."""

from __future__ import annotations

import copy
from typing import Any

import msgspec

Json = dict[str, Any]

SHOP: Json = {
    "openapi": "3.0.3",
    "info": {"title": "Shop", "version": "1"},
    "servers": [{"url": "https://shop.example/v1"}],
    "security": [{"key": []}],
    "paths": {
        "/orders": {
            "get": {
                "operationId": "list", "summary": "Every order", "tags": ["orders"],
                "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer"}, "example": 5}],
                "responses": {"200": {"description": "ok", "content": {"application/json": {
                    "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Order"}}}}}},
            },
            "post": {
                "operationId": "add", "security": [],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}},
                "responses": {"201": {"description": "made", "links": {"it": {
                    "operationId": "get", "parameters": {"id": "$response.body#/id"}}}}},
            },
        },
        "/orders/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"operationId": "get", "responses": {"200": {"$ref": "#/components/responses/One"}}},
            "delete": {"responses": {"204": {"description": "gone"}}},
        },
    },
    "components": {
        "responses": {"One": {"description": "one", "content": {"application/json": {
            "schema": {"$ref": "#/components/schemas/Order"}}}}},
        "schemas": {
            "Order": {
                "type": "object", "required": ["id"],
                "properties": {
                    "id": {"type": "string"}, "note": {"type": "string", "nullable": True},
                    "price": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
                    "pay": {"$ref": "#/components/schemas/Pay"},
                },
                "example": {"$ref": "#/not/a/reference", "nullable": True},
            },
            "Pay": {"oneOf": [{"$ref": "#/components/schemas/Card"}, {"$ref": "#/components/schemas/Cash"}],
                    "discriminator": {"propertyName": "by", "mapping": {"card": "Card"}}},
            "Card": {"type": "object", "properties": {"by": {"type": "string"}}},
            "Cash": {"type": "object", "properties": {"by": {"enum": ["cash"], "const": {"$ref": "#/no"}}}},
        },
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
    },
}  # fmt: skip

PETS: Json = {
    "swagger": "2.0",
    "info": {"title": "Pets", "version": "1"},
    "basePath": "/api",
    "consumes": ["application/json"],
    "securityDefinitions": {"login": {"type": "oauth2", "flow": "accessCode", "authorizationUrl": "https://a.example",
                                      "tokenUrl": "https://t.example", "scopes": {"all": "all"}},
                            "basic": {"type": "basic"}},
    "parameters": {"Page": {"name": "page", "in": "query", "type": "integer"},
                   "Body": {"name": "pet", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Pet"}}},
    "responses": {"Missing": {"description": "none"}},
    "paths": {
        "/pets": {
            "parameters": [{"$ref": "#/parameters/Page"}],
            "get": {"parameters": [{"name": "ids", "in": "query", "type": "array", "items": {"type": "string"},
                                    "collectionFormat": "multi"}],
                    "responses": {"200": {"description": "ok", "schema": {"type": "array",
                                                                          "items": {"$ref": "#/definitions/Pet"}},
                                          "headers": {"X-Left": {"type": "integer", "description": "left"}}},
                                  "404": {"$ref": "#/responses/Missing"}}},
            "post": {"parameters": [{"$ref": "#/parameters/Body"}], "responses": {"201": {"description": "made"}}},
        },
        "/pets/{id}/photo": {"put": {
            "parameters": [{"name": "id", "in": "path", "required": True, "type": "string"},
                           {"name": "photo", "in": "formData", "type": "file", "required": True}],
            "responses": {"200": {"description": "ok", "schema": {"type": "file"}}}}},
    },
    "definitions": {"Pet": {"type": "object", "discriminator": "kind", "required": ["kind"],
                            "properties": {"kind": {"type": "string"}}}},
}  # fmt: skip


def changed(document: Json, *path: str, to: Any = None) -> Json:
    """The same document with another value in one place, or without it."""
    new = copy.deepcopy(document)
    place = new
    for part in path[:-1]:
        place = place[part]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return new


def raw(document: Json) -> bytes:
    """As a service serves it."""
    return msgspec.json.encode(document)
