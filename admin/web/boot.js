// Starts the application. A file of its own, because the content policy forbids inline scripts.
import init from "./app.js";

try {
  await init({ module_or_path: new URL("./app.wasm", import.meta.url) });
} catch (error) {
  console.error(error);
  const place = document.getElementById("boot");
  if (place) {
    place.textContent = "The page could not be started. A current browser with WebAssembly is needed; reloading may help.";
  }
}
