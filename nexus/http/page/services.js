"use strict";

// What stands in the documents was written by others: it is shown, and nothing of it is asked or run.
const token = sessionStorage.getItem("nexus-token");
const at = new URLSearchParams(location.search).get("at");
SwaggerUIBundle({
  url: "/api/endpoints/openapi.json" + (at ? `?at=${encodeURIComponent(at)}` : ""),
  dom_id: "#api",
  docExpansion: "none",
  filter: true,
  validatorUrl: null,
  supportedSubmitMethods: [],
  requestInterceptor: (request) => {
    if (token && new URL(request.url, location).origin === location.origin) {
      request.headers.Authorization = `Bearer ${token}`;
    }
    return request;
  },
});
