// Runs before the first paint, so that a chosen theme does not flash. The words are those of src/theme.rs.
(() => {
  try {
    const theme = { "light": "troupe-light", "dark": "troupe-dark" }[localStorage.getItem("troupe.theme")];
    if (theme) document.documentElement.setAttribute("data-theme", theme);
  } catch {
    // Without storage the system decides.
  }
})();
