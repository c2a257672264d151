"use strict";

// Swagger UI takes any base64 for a file to upload. Ours is text, to be seen and edited like the JSON.
const noUploads = () => ({
  afterLoad() {
    this.fn.isFileUploadIntended = () => false;
  },
});

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  plugins: [noUploads],
  // Nothing outside this origin is ever asked.
  validatorUrl: null,
});
