// Pause, resume, run now, halt. The token is typed once and opens a session of half an hour, whose cookie no script can
// read; the token itself is not kept.

const KEY = "openbell-session"; // says only that a session was opened
// Chat programs and word processors put these around what is copied from them.
const WRAPPING = /^[\s"'\u2018-\u201f\u00ab\u00bb]+|[\s"'\u2018-\u201f\u00ab\u00bb]+$/g;
const said = document.getElementById("said");
const askPause = document.getElementById("ask-pause");
const askSnooze = document.getElementById("ask-snooze");
const askFlatten = document.getElementById("ask-flatten");
const askHalt = document.getElementById("ask-halt");
const askToken = document.getElementById("ask-token");
const forget = document.getElementById("forget");

function say(text, wrong = false) {
  said.textContent = text;
  said.className = wrong ? "wrong" : "ok";
}

// Opens a dialog; resolves to what was typed, or to null if it was closed.
function ask(dialog) {
  const form = dialog.querySelector("form");
  form.reset();
  dialog.showModal();
  form.querySelector("input, select, button").focus();
  return new Promise((resolve) => {
    let answer = null;
    form.onsubmit = (event) => {
      event.preventDefault();
      answer = Object.fromEntries(new FormData(form));
      dialog.close();
    };
    dialog.querySelector("[data-close]").onclick = () => dialog.close();
    dialog.onclose = () => resolve(answer);
  });
}

// Opens a session if there is none; tells whether there is one then.
async function session() {
  if (sessionStorage.getItem(KEY)) return true;
  const typed = await ask(askToken);
  if (!typed) return false;
  const cleaned = typed.token.replace(WRAPPING, "");
  if (!/^[\x21-\x7e]+$/.test(cleaned)) {
    say("That is no token: it has only letters, digits and plain signs, without spaces. Press the button again", true);
    return false;
  }
  if (!(await request("POST", "/api/session", { Authorization: `Bearer ${cleaned}` }))) return false;
  sessionStorage.setItem(KEY, "open");
  tellForget();
  return true;
}

function tellForget() {
  if (forget) forget.hidden = !sessionStorage.getItem(KEY);
}

async function request(method, path, headers, body) {
  try {
    const answer = await fetch(path, { method, headers, body, signal: AbortSignal.timeout(5000) });
    const content = await answer.json();
    if (answer.ok) return content;
    if (answer.status === 401) {
      sessionStorage.removeItem(KEY);
      tellForget();
    }
    say(content.error, true);
  } catch {
    say("The supervisor did not answer: nothing may have changed", true);
  }
  return null;
}

async function send(method, path, body) {
  if (!(await session())) return null;
  return request(method, path, body ? { "Content-Type": "application/json" } : {}, body && JSON.stringify(body));
}

const ACTS = {
  async pause(bot, path) {
    askPause.querySelector("[data-name]").textContent = bot;
    const wanted = await ask(askPause);
    if (!wanted) return;
    const body = { paused: true, reason: wanted.reason };
    if (wanted.for) body.for = wanted.for;
    if (await send("PATCH", path, body)) say(`${bot} is paused${wanted.for ? ` for ${wanted.for}` : ""}`);
  },
  async resume(bot, path) {
    if (await send("PATCH", path, { paused: false })) say(`${bot} runs again from its next slot on`);
  },
  async run(bot, path) {
    if (await send("POST", `${path}/run`)) say(`${bot}: a run is asked for`);
  },
  async flatten(_, __, strategy) {
    askFlatten.querySelector("[data-name]").textContent = strategy;
    if (!(await ask(askFlatten))) return;
    const path = `/api/strategies/${encodeURIComponent(strategy)}/flatten`;
    if (await send("POST", path, { confirm: strategy })) say(`${strategy} closes what it holds; its journal tells how`);
  },
  async halt() {
    const wanted = await ask(askHalt);
    if (!wanted) return;
    if (await send("POST", "/api/halt", { reason: wanted.reason, exits: wanted.exits === "yes" })) say("No strategy sends orders");
  },
  async acknowledge(_, __, incident) {
    if (await send("POST", `/api/incidents/${incident}/acknowledge`)) say("Acknowledged: no reminder and no escalation");
  },
  async snooze(_, __, incident) {
    const wanted = await ask(askSnooze);
    if (!wanted) return;
    const body = wanted.until ? { until: new Date(wanted.until).toISOString() } : { for: wanted.for };
    if (await send("POST", `/api/incidents/${incident}/snooze`, body)) say("Snoozed");
  },
  async revoke() {
    if (await send("DELETE", "/api/links")) say("The links in all messages are void");
  },
  async unhalt() {
    if (await send("DELETE", "/api/halt")) say("Strategies may send orders again");
  },
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-act]");
  if (!button) return;
  await ACTS[button.dataset.act](button.dataset.bot, `/api/bots/${encodeURIComponent(button.dataset.bot ?? "")}`, button.dataset.incident ?? button.dataset.strategy);
  document.dispatchEvent(new Event("openbell:changed"));
});
forget?.addEventListener("click", async () => {
  sessionStorage.removeItem(KEY);
  tellForget();
  if (await request("DELETE", "/api/session")) say("The session is over");
});
tellForget();
