// node run_graph.mjs GRAPH ROWS: prints the columns of a graph for rows in JSON, each with its shape.
import { readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";

const [graph, rows] = process.argv.slice(2);
const { shape, data } = JSON.parse(readFileSync(rows, "utf-8"));
const session = await InferenceSession.create(graph);
const columns = await session.run({ [session.inputNames[0]]: new Tensor("float32", data, shape) });
const plain = Object.entries(columns).map(([name, { data, dims }]) => [name, { dims, data: Array.from(data, Number) }]);
console.log(JSON.stringify(Object.fromEntries(plain)));
