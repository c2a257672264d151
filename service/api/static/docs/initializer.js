"use strict";

// Swagger UI takes any base64 for a file to upload. Ours is text, to be seen and edited like the JSON.
const noUploads = () => ({
  afterLoad() {
    this.fn.isFileUploadIntended = () => false;
  },
});

// Swagger UI has a dark theme, which this class selects.
const dark = matchMedia("(prefers-color-scheme: dark)");
const followTheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followTheme);
followTheme();

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  plugins: [noUploads],
  // Nothing outside this origin is ever asked.
  validatorUrl: null,
});
