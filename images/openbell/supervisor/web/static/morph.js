// Makes one tree of nodes like another, touching only what differs.

const OURS = new Set(["open", "tabindex", "hidden"]); // attributes that belong to the reader or to this script

function alike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && (one.id || "") === (other.id || "");
}

function attributes(old, fresh) {
  for (const { name } of [...old.attributes]) if (!OURS.has(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (!OURS.has(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
}

function children(old, fresh) {
  const known = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let here = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const same = wanted.id ? known.get(wanted.id) : undefined;
    const match = same && alike(same, wanted) ? same : here && alike(here, wanted) ? here : null;
    if (!match) {
      old.insertBefore(document.importNode(wanted, true), here);
      continue;
    }
    if (match === here) here = here.nextSibling;
    else old.insertBefore(match, here);
    morph(match, wanted);
  }
  while (here) {
    const next = here.nextSibling;
    here.remove();
    here = next;
  }
}

export function morph(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) return;
  if (old.dataset.until !== undefined) {
    old.dataset.until = fresh.dataset.until; // its text is counted here
    return;
  }
  if (old.classList.contains("drawn")) {
    old.dataset.points = fresh.dataset.points; // a script draws it again
    return;
  }
  attributes(old, fresh);
  if (old.innerHTML !== fresh.innerHTML) children(old, fresh);
}
