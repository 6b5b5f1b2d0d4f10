// Microsoft's own client for tests of debug adapters steps through a recording by `tracer dap`.
// Arguments: the folder with node_modules, the command, then what is to be done, as JSON.
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, command, asked] = process.argv.slice(2);
const { DebugClient } = createRequire(join(folder, "package.json"))("@vscode/debugadapter-testsupport");
const { recording, file, line, condition } = JSON.parse(asked);

const client = new DebugClient(command, "dap", "rcnn-tracer", undefined, true);
client.defaultTimeout = 300_000;
await client.start();

// Where the run stands after a movement that was asked for.
async function after(request) {
  const [event] = await Promise.all([client.waitForEvent("stopped"), request]);
  const { stackFrames } = (await client.stackTraceRequest({ threadId: 1 })).body;
  const frames = stackFrames.map(({ name, line }) => ({ name, line }));
  return { reason: event.body.reason, path: stackFrames[0].source?.path, frames, id: stackFrames[0].id };
}

async function locals(frameId) {
  const { scopes } = (await client.scopesRequest({ frameId })).body;
  const { variables } = (await client.variablesRequest({ variablesReference: scopes[0].variablesReference })).body;
  return variables;
}

const found = {};
found.entry = await after(Promise.all([client.configurationSequence(), client.launch({ recording })]));
const breakpoints = [{ line, condition }];
found.set = (await client.setBreakpointsRequest({ source: { path: file }, breakpoints })).body.breakpoints;
found.broken = await after(client.continueRequest({ threadId: 1 }));
await client.assertPath(found.broken.path, file);
const variables = await locals(found.broken.id);
found.locals = Object.fromEntries(variables.map(({ name, value }) => [name, value]));
found.back = [await after(client.stepBackRequest({ threadId: 1 })), await after(client.stepBackRequest({ threadId: 1 }))];
const { variablesReference } = (await locals(found.back[1].id)).find(({ name }) => name === "x");
found.data = (await client.dataBreakpointInfoRequest({ variablesReference, name: "0" })).body;
await client.setDataBreakpointsRequest({ breakpoints: [{ dataId: found.data.dataId, accessType: "write" }] });
found.written = await after(client.reverseContinueRequest({ threadId: 1 }));
found.refused = await client.scopesRequest({ frameId: 1_000_000 }).catch(({ message }) => message);
found.first = await after(client.restartFrameRequest({ frameId: found.written.id }));
await client.disconnectRequest();
console.log(JSON.stringify(found));
