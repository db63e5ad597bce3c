import * as ai from 'ai'
import {readFileSync} from 'node:fs'
import {createOpenAI} from '@ai-sdk/openai'
import {createAnthropic} from '@ai-sdk/anthropic'
const base = process.argv[2]
const openai = createOpenAI({apiKey: 'k', baseURL: base + '/v1'})
const anthropic = createAnthropic({apiKey: 'k', baseURL: base + '/v1'})
const models = {chat: openai.chat ? openai.chat('gpt-5') : openai('gpt-5'), responses: openai.responses('gpt-5'), anthropic: anthropic('claude-sonnet-4-5')}
try { const {createGoogleGenerativeAI} = await import('@ai-sdk/google'); models.google = createGoogleGenerativeAI({apiKey: 'k', baseURL: base + '/v1beta'})('gemini-2.5-flash') } catch {}
const out = {ai: JSON.parse(readFileSync('node_modules/ai/package.json')).version}
for (const [name, model] of Object.entries(models)) {
  const r = await ai.generateText({model, prompt: 'Is it paid?'})
  const {id, modelId} = r.response
  out[name] = {usage: r.usage, totalUsage: r.totalUsage, finishReason: r.finishReason, response: {id, modelId}, providerMetadata: r.providerMetadata ?? r.experimental_providerMetadata}
  // What a provider hands to middleware and telemetry.
  const d = await model.doGenerate({inputFormat: 'prompt', mode: {type: 'regular'}, prompt: [{role: 'user', content: [{type: 'text', text: 'Is it paid?'}]}]})
  out[name].doGenerate = {usage: d.usage, finishReason: d.finishReason, providerMetadata: d.providerMetadata, response: {id: d.response?.id, modelId: d.response?.modelId}}
}
const e = await ai.embed({model: (openai.textEmbeddingModel ?? openai.embeddingModel ?? openai.embedding)('text-embedding-3-small'), value: 'x'})
out.embed = {usage: e.usage}
console.log(JSON.stringify(out, null, 1))
