// Spares a reload or a search; every page can be read and every form sent without it.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const keys = document.querySelector("[data-keys]");
  let on = localStorage.getItem("keys") !== "off";
  const show = () => {
    keys.textContent = "Number keys: " + (on ? "on" : "off");
    keys.setAttribute("aria-pressed", String(on));
  };
  if (keys) {
    keys.hidden = false;
    show();
    keys.addEventListener("click", () => {
      on = !on;
      localStorage.setItem("keys", on ? "on" : "off");
      show();
    });
  }
  document.addEventListener("keydown", (event) => {
    const tag = event.target.tagName;
    if (!keys || !on || event.ctrlKey || event.metaKey || event.altKey) return;
    if (tag === "INPUT" || tag === "SELECT" || tag === "TEXTAREA") return;
    const link = document.querySelector(`a[data-key="${CSS.escape(event.key)}"]`);
    if (!link) return;
    event.preventDefault();
    const target = document.getElementById(link.hash.slice(1));
    if (!target) return;
    target.scrollIntoView({ block: "start" });
    (target.matches("[tabindex]") ? target : target.querySelector("[tabindex]") || target).focus({ preventScroll: true });
  });
  document.querySelectorAll("[data-print]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  });
  document.addEventListener("input", (event) => {
    if (event.target.type === "range") event.target.nextElementSibling.textContent = event.target.value;
  });
  // the decision leaves the page; only the projection stays on it
  document.addEventListener("htmx:confirm", (event) => {
    const button = event.detail.triggeringEvent && event.detail.triggeringEvent.submitter;
    if (button && button.dataset.plain) {
      event.preventDefault();
      const form = button.form;
      form.action = button.formAction;
      HTMLFormElement.prototype.submit.call(form);
    }
  });
  const problems = document.querySelector(".problems[tabindex]");
  if (problems) problems.focus();
});
