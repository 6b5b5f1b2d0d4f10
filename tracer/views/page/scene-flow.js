// How one tensor becomes the next, as steps to watch; flow.js plays them.
import { flow } from "./flow.js";
import { local, rec } from "./page.js";

export const flows = {
  extra: (data) => flow(data.flow, rec.data.flow, local),
  told: () => "",
};
