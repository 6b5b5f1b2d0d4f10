"use strict";
// Finds a Python that has the tracer, starts `tracer dap` with it, and shows the page beside the source.
const { execFile } = require("node:child_process");
const fs = require("node:fs/promises");
const os = require("node:os");
const path = require("node:path");
const { promisify } = require("node:util");
const vscode = require("vscode");
const messages = require("./messages.json");

const TYPE = "rcnn-tracer";
const RECORDING = /\.safetensors(\.index\.json)?$/;
const MOST_OFFERED = 500;

const serving = new Set(); // commands that are known to work
const run = promisify(execFile);
const say = (key, values = {}) => vscode.l10n.t(messages[key], values);

exports.activate = (context) => {
  const page = new PageBeside(context);
  context.subscriptions.push(
    page,
    vscode.debug.registerDebugConfigurationProvider(TYPE, { resolveDebugConfiguration, resolveDebugConfigurationWithSubstitutedVariables }),
    vscode.debug.registerDebugAdapterDescriptorFactory(TYPE, { createDebugAdapterDescriptor: (session) => adapter(context, session) }),
    vscode.debug.registerDebugAdapterTrackerFactory(TYPE, { createDebugAdapterTracker: (session) => page.following(session) }),
    vscode.commands.registerCommand("rcnn-tracer.step", telling(step)),
    vscode.commands.registerCommand("rcnn-tracer.page", telling((uri) => page.open(uri))),
    vscode.commands.registerCommand("rcnn-tracer.pickRecording", pickRecording),
  );
};

// A command whose failure is shown in a sentence.
function telling(command) {
  return async (uri) => {
    try {
      await command(uri instanceof vscode.Uri ? uri : undefined);
    } catch (error) {
      await tell(error);
    }
  };
}

async function tell(error) {
  const open = say("open_settings");
  const chosen = await vscode.window.showErrorMessage(error.message, ...(error.isSetting ? [open] : []));
  if (chosen === open) await vscode.commands.executeCommand("workbench.action.openSettings", `${TYPE}.python`);
}

// --- what is stepped through ---

async function step(uri) {
  const recording = uri?.fsPath ?? shownRecording() ?? (await pickRecording());
  if (!recording) return;
  const folder = vscode.workspace.getWorkspaceFolder(vscode.Uri.file(recording));
  const begun = await vscode.debug.startDebugging(folder, { type: TYPE, request: "launch", name: path.basename(recording), recording });
  if (begun) await vscode.commands.executeCommand("workbench.view.debug");
}

// The recording in the editor that is active: a file of bytes, of which only the tab is known.
function shownRecording() {
  const file = vscode.window.tabGroups.activeTabGroup.activeTab?.input?.uri?.fsPath;
  return file && RECORDING.test(file) ? file : undefined;
}

async function pickRecording() {
  const found = await vscode.workspace.findFiles("**/*.{safetensors,safetensors.index.json}", "**/{node_modules,.git,.venv}/**", MOST_OFFERED);
  const files = found.map(({ fsPath }) => ({ label: path.basename(fsPath), description: vscode.workspace.asRelativePath(path.dirname(fsPath)), file: fsPath }));
  files.sort((a, b) => a.file.localeCompare(b.file));
  const browse = { label: say("browse"), alwaysShow: true };
  const chosen = files.length ? await vscode.window.showQuickPick([...files, browse], { placeHolder: say("pick") }) : browse;
  if (chosen !== browse) return chosen?.file;
  const opened = await vscode.window.showOpenDialog({ title: say("pick"), filters: { [say("recordings")]: ["safetensors", "json"] } });
  return opened?.[0].fsPath;
}

// Without a launch.json: the recording at hand, or one that is chosen.
async function resolveDebugConfiguration(folder, given) {
  const config = given.type ? given : { ...given, type: TYPE, request: "launch", name: say("name") };
  if (config.request !== "launch" || config.recording || config.pictures || config.build) return config;
  const recording = shownRecording() ?? (await pickRecording());
  return recording ? { ...config, recording } : undefined;
}

// File names count from the folder that is open. Without a Python for it, nothing is begun.
async function resolveDebugConfigurationWithSubstitutedVariables(folder, config) {
  if (config.request !== "launch") return config;
  try {
    await tracer(folder);
  } catch (error) {
    void tell(error);
    return undefined;
  }
  const root = rootOf(folder);
  return root ? { cwd: root, ...config } : config;
}

const rootOf = (folder) => (folder ?? vscode.workspace.workspaceFolders?.[0])?.uri.fsPath;

// --- the program behind it ---

async function adapter(context, session) {
  const { request, port, host = "127.0.0.1" } = session.configuration;
  if (request === "attach") return new vscode.DebugAdapterServer(port, host);
  const [command, ...args] = await tracer(session.workspaceFolder);
  return new vscode.DebugAdapterExecutable(command, [...args, "dap"], { cwd: context.extensionPath });
}

// The words that start the tracer: by the Python of the setting, by the one that is selected, from the PATH.
async function tracer(folder) {
  const setting = vscode.workspace.getConfiguration(TYPE, folder).get("python").trim();
  if (setting) {
    const python = expanded(setting, folder);
    const trouble = await troubleWith([python, "-m", "tracer"]);
    if (trouble) throw settingError(say("bad_python", { python, trouble }));
    return [python, "-m", "tracer"];
  }
  const selected = await selectedPython(folder);
  for (const words of [...(selected ? [[selected, "-m", "tracer"]] : []), ["tracer"]]) if (!(await troubleWith(words))) return words;
  throw settingError(say(selected ? "no_tracer_selected" : "no_tracer", { python: selected }));
}

const settingError = (message) => Object.assign(new Error(message), { isSetting: true });

function expanded(file, folder) {
  return file.replace(/^~(?=[/\\])/, os.homedir()).replaceAll("${workspaceFolder}", rootOf(folder) ?? "");
}

// What keeps a command from serving editors, in a line; empty if nothing does.
async function troubleWith(words) {
  const [command, ...args] = words;
  if (serving.has(words.join("\n"))) return "";
  try {
    await run(command, [...args, "dap", "--help"], { cwd: os.homedir() });
    serving.add(words.join("\n"));
    return "";
  } catch (error) {
    return lastLine(error.stderr) || error.message;
  }
}

const lastLine = (text) => (text ?? "").trim().split("\n").at(-1);

// The interpreter that the Python extension has selected, where there is that extension.
async function selectedPython(folder) {
  const python = vscode.extensions.getExtension("ms-python.python");
  if (!python) return undefined;
  const { environments } = await python.activate();
  const chosen = await environments?.resolveEnvironment(environments.getActiveEnvironmentPath(folder?.uri));
  return chosen?.executable.uri?.fsPath;
}

// --- the page ---

// One page beside the source, which follows the session whose recording it shows.
class PageBeside {
  constructor(context) {
    this.context = context;
  }

  dispose() {
    this.panel?.dispose();
  }

  async open(uri) {
    const session = uri ? undefined : vscode.debug.activeDebugSession;
    if (!uri && session?.type !== TYPE) throw new Error(say("no_session"));
    const place = session && (await session.customRequest("tracer/position"));
    const recording = uri?.fsPath ?? place.recording;
    if (!recording) throw new Error(say("not_saved"));
    if (this.recording !== recording || !this.panel) await this.make(recording, session?.workspaceFolder, place?.address);
    this.panel.reveal(undefined, Boolean(session));
    if (place) this.show(place);
  }

  async make(recording, folder, address) {
    const location = vscode.ProgressLocation.Notification;
    const html = await vscode.window.withProgress({ location, title: say("making_page") }, () => pageOf(recording, folder, address));
    this.panel ??= this.newPanel();
    this.recording = recording;
    this.panel.title = path.basename(recording);
    this.panel.webview.html = html;
  }

  newPanel() {
    const where = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
    const panel = vscode.window.createWebviewPanel(TYPE, "", where, { enableScripts: true, retainContextWhenHidden: true, localResourceRoots: [] });
    panel.onDidDispose(() => (this.panel = this.recording = undefined));
    return panel;
  }

  show({ recording, address }) {
    if (recording === this.recording) this.panel?.webview.postMessage(address);
  }

  following(session) {
    const onDidSendMessage = async ({ type, event }) => {
      if (type === "event" && event === "stopped" && this.panel) this.show(await session.customRequest("tracer/position"));
    };
    return { onDidSendMessage };
  }
}

async function pageOf(recording, folder, address = "") {
  const [command, ...args] = await tracer(folder);
  const room = await fs.mkdtemp(path.join(os.tmpdir(), `${TYPE}-`));
  try {
    const file = path.join(room, "page.html");
    await run(command, [...args, "page", recording, "-o", file, `--at=${address}`], { cwd: os.homedir() });
    return await fs.readFile(file, "utf8");
  } catch (error) {
    throw new Error(lastLine(error.stderr) || error.message);
  } finally {
    await fs.rm(room, { recursive: true });
  }
}
