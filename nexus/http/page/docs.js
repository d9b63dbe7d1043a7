"use strict";

const ui = SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#api",
  docExpansion: "list",
  validatorUrl: null,
  persistAuthorization: false,
});
const token = sessionStorage.getItem("nexus-token");
if (token) ui.initOAuth || ui.preauthorizeApiKey("token", token);
