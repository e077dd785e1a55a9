// Live views, confirmations, and nothing that a page cannot do without. Loaded with `defer`.
"use strict";

// A fragment as the server sends it, merged into what is shown: nodes stay, so focus, selection and scrolling do too.
function merge(old, fresh) {
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  mergeChildren(old, fresh);
}

function mergeChildren(old, fresh) {
  const wanted = [...fresh.childNodes];
  wanted.forEach((node, at) => {
    const there = old.childNodes[at];
    if (!there) old.append(node);
    else if (there.nodeType !== node.nodeType || there.nodeName !== node.nodeName) there.replaceWith(node);
    else if (node.nodeType === Node.ELEMENT_NODE) merge(there, node);
    else if (there.data !== node.data) there.data = node.data;
  });
  while (old.childNodes.length > wanted.length) old.lastChild.remove();
}

// A view that the server keeps up to date; not while nobody sees it.
function follow(view) {
  const sign = document.querySelector("[data-link]");
  let source = null;
  let doubt = 0;
  const say = (state, text) => {
    clearTimeout(doubt);
    if (!sign || sign.textContent === text) return;
    sign.className = `link ${state}`;
    sign.textContent = text;
  };
  const open = () => {
    source = new EventSource(view.dataset.live);
    source.addEventListener("html", (event) => {
      const fresh = document.createElement("template");
      fresh.innerHTML = JSON.parse(event.data);
      mergeChildren(view, fresh.content);
      say("on", "live");
    });
    source.addEventListener("trouble", (event) => say("off", JSON.parse(event.data)));
    source.addEventListener("end", () => {
      close();
      say("", "finished");
    });
    source.addEventListener("error", () => {
      const over = source.readyState === EventSource.CLOSED;
      clearTimeout(doubt); // the server ends a stream now and then, and is asked again at once
      if (over) say("off", "not live any more: load the page again");
      else doubt = setTimeout(say, 3000, "off", "connection lost, trying again");
    });
  };
  const close = () => {
    source.close();
    view.dataset.over = "yes";
  };
  document.addEventListener("visibilitychange", () => {
    if (view.dataset.over) return;
    source.close();
    if (!document.hidden) open();
  });
  open();
}

// <form data-confirm="…" data-about="…">: asked in a dialog before it is sent.
function ask(form, button) {
  const dialog = document.createElement("dialog");
  const add = (to, tag, text) => Object.assign(to.appendChild(document.createElement(tag)), { textContent: text });
  add(dialog, "h2", form.dataset.confirm).id = "asked";
  dialog.setAttribute("aria-labelledby", "asked");
  if (form.dataset.about) add(dialog, "p", form.dataset.about);
  const actions = add(dialog, "div", "");
  actions.className = "actions";
  add(actions, "button", "Back").addEventListener("click", () => dialog.close());
  const yes = add(actions, "button", button.textContent.trim());
  yes.className = button.className;
  yes.addEventListener("click", () => {
    form.dataset.confirmed = "yes";
    dialog.close();
    form.requestSubmit(button);
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

document.querySelectorAll("[data-live]").forEach(follow);
const here = document.querySelector("nav [aria-current]");
if (here) here.closest("ul").scrollLeft = here.offsetLeft - 60; // on a phone not all of them fit
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.confirm || form.dataset.confirmed) return;
  event.preventDefault();
  ask(form, event.submitter || form.querySelector("button"));
});
// A choice that is its own button.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});
