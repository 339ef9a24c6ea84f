"use strict";

// How many live events are kept on the page; older ones leave it.
const EVENTS_SHOWN_MAX = 200;
const TOKEN_KEY = "mintql-token";
const SOCKET_PROTOCOL = "graphql-transport-ws";

const find = (id) => document.getElementById(id);
const page = Object.fromEntries(
  ["sign-in", "email", "password", "token", "who", "example", "run", "stop", "query", "variables", "status", "result", "events"]
    .map((id) => [id, find(id)]),
);
let socket = null;

function say(text, bad = false) {
  page.status.textContent = text;
  page.status.classList.toggle("bad", bad);
}

async function ask(query, variables, operationName) {
  const token = page.token.value.trim();
  const response = await fetch("/graphql", {
    method: "POST",
    credentials: "omit",
    headers: {
      "content-type": "application/json",
      accept: "application/graphql-response+json",
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    body: JSON.stringify({ query, variables, operationName }),
  });
  return { status: response.status, answer: await response.json() };
}

async function showViewer() {
  sessionStorage.setItem(TOKEN_KEY, page.token.value.trim());
  const { answer } = await ask("{ viewer { name email currency } }");
  const viewer = answer.data && answer.data.viewer;
  page.who.textContent = viewer ? `Signed in as ${viewer.name} (${viewer.email}, ${viewer.currency}).` : "Not signed in.";
}

async function signIn(event) {
  event.preventDefault();
  const { answer } = await ask(
    `mutation SignIn($email: String!, $password: String!) {
      signIn(email: $email, password: $password) { ... on SignInSuccess { token } ... on Error { message } }
    }`,
    { email: page.email.value, password: page.password.value },
  );
  const found = answer.data ? answer.data.signIn : { message: answer.errors[0].message };
  if (found.token) {
    page.token.value = found.token;
    page.password.value = "";
    await showViewer();
  } else {
    page.who.textContent = found.message;
  }
}

function readVariables() {
  const text = page.variables.value.trim();
  return text ? JSON.parse(text) : {};
}

async function run() {
  let variables;
  try {
    variables = readVariables();
  } catch (error) {
    say(`The variables are not JSON: ${error.message}`, true);
    return;
  }
  const query = page.query.value;
  if (/^\s*(#[^\n]*\n\s*)*subscription\b/.test(query)) {
    subscribe(query, variables);
    return;
  }
  say("Asking …");
  const begun = performance.now();
  try {
    const { status, answer } = await ask(query, variables);
    page.result.textContent = JSON.stringify(answer, null, 2);
    say(`${status}, ${Math.round(performance.now() - begun)} ms`, Boolean(answer.errors));
  } catch (error) {
    say(`No answer: ${error.message}`, true);
  }
}

function showEvent(text, bad = false) {
  const item = document.createElement("li");
  const time = document.createElement("time");
  time.textContent = new Date().toLocaleTimeString();
  item.append(time, ` ${text}`);
  item.classList.toggle("bad", bad);
  page.events.prepend(item);
  while (page.events.childElementCount > EVENTS_SHOWN_MAX) page.events.lastElementChild.remove();
}

function stop() {
  if (socket) socket.close(1000, "Done");
  socket = null;
  page.stop.disabled = true;
}

function subscribe(query, variables) {
  stop();
  const mine = new WebSocket(`${location.origin.replace(/^http/, "ws")}/graphql`, SOCKET_PROTOCOL);
  socket = mine;
  page.stop.disabled = false;
  say("Connecting …");
  const send = (message) => mine.send(JSON.stringify(message));
  const token = page.token.value.trim();
  mine.onopen = () => send({ type: "connection_init", payload: token ? { authorization: `Bearer ${token}` } : {} });
  mine.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === "connection_ack") {
      say("Listening.");
      send({ id: "1", type: "subscribe", payload: { query, variables } });
    } else if (message.type === "ping") {
      send({ type: "pong" });
    } else if (message.type === "next") {
      showEvent(JSON.stringify(message.payload.data ?? message.payload, null, 2), Boolean(message.payload.errors));
      if (message.payload.errors) say(message.payload.errors[0].message, true);
    } else if (message.type === "error") {
      showEvent(JSON.stringify(message.payload, null, 2), true);
      say(message.payload[0].message, true);
    } else if (message.type === "complete") {
      showEvent("The stream has ended.");
    }
  };
  mine.onclose = ({ code, reason }) => {
    if (socket !== mine) return;
    say(`The connection was closed: ${code} ${reason}`, code !== 1000);
    stop();
  };
}

function pick() {
  const example = page.example.examples[page.example.selectedIndex];
  page.query.value = example.query.join("\n");
  const variables = { ...example.variables };
  if (variables.month) variables.month = new Date().toISOString().slice(0, 7);
  page.variables.value = example.variables ? JSON.stringify(variables, null, 2) : "";
}

async function begin() {
  page.token.value = sessionStorage.getItem(TOKEN_KEY) || "";
  page["sign-in"].addEventListener("submit", signIn);
  page.token.addEventListener("change", showViewer);
  page.run.addEventListener("click", run);
  page.stop.addEventListener("click", () => { stop(); say("Stopped."); });
  page.example.addEventListener("change", pick);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
  });
  page.example.examples = await (await fetch("/try/examples.json")).json();
  for (const { name } of page.example.examples) page.example.add(new Option(name));
  pick();
  if (page.token.value) await showViewer();
}

begin();
