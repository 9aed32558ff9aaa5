// Asks a built site questions, with the search that the site's own pages run: node asked.js SITE QUESTIONS.json
const { readFileSync, readdirSync } = require("node:fs")
const { runInThisContext } = require("node:vm")

const [site, questions] = process.argv.slice(2)
const workers = `${site}/assets/javascripts/workers`
const [name] = readdirSync(workers).filter((each) => each.endsWith(".js"))

const answers = []
let heard
globalThis.self = globalThis.window = globalThis
globalThis.addEventListener = (_, listener) => { heard = listener }
globalThis.postMessage = (message) => answers.push(message)
runInThisContext(readFileSync(`${workers}/${name}`, "utf8"))

const settle = () => new Promise((resolve) => setTimeout(resolve))
const ask = async () => {
  const index = JSON.parse(readFileSync(`${site}/search/search_index.json`, "utf8"))
  heard({ data: { type: 0, data: { ...index, options: { suggest: false } } } })
  await settle()
  for (const question of JSON.parse(questions)) {
    heard({ data: { type: 2, data: question } })
    await settle()
  }
  const found = answers.filter((each) => each.type === 3).map((each) => each.data.items.map(([first]) => first.location))
  console.log(JSON.stringify(found))
}
ask()
