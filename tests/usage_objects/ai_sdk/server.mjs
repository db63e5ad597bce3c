// Answers of OpenAI's, Anthropic's and Google's APIs, for the providers of the AI SDK to read.
import { createServer } from 'node:http'
const usages = {
  chat: {prompt_tokens: 1500, completion_tokens: 800, total_tokens: 2300, prompt_tokens_details: {cached_tokens: 1024, audio_tokens: 0}, completion_tokens_details: {reasoning_tokens: 320, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0}},
  responses: {input_tokens: 1500, input_tokens_details: {cached_tokens: 1024}, output_tokens: 800, output_tokens_details: {reasoning_tokens: 320}, total_tokens: 2300},
  anthropic: {input_tokens: 50, cache_creation_input_tokens: 200, cache_read_input_tokens: 1000, cache_creation: {ephemeral_5m_input_tokens: 150, ephemeral_1h_input_tokens: 50}, output_tokens: 20, service_tier: 'standard'},
  google: {promptTokenCount: 1200, candidatesTokenCount: 300, thoughtsTokenCount: 100, cachedContentTokenCount: 1000, totalTokenCount: 1600, promptTokensDetails: [{modality: 'TEXT', tokenCount: 1200}]},
}
createServer((q, r) => {
  let b=''; q.on('data', d => b += d); q.on('end', () => {
    const send = o => { r.setHeader('content-type', 'application/json'); r.end(JSON.stringify(o)) }
    if (q.url.includes('/chat/completions')) return send({id: 'chatcmpl-BQ2hYJ5zVw3uM8kXcT1nLrPq', object: 'chat.completion', created: 1773835200, model: 'gpt-5-2025-08-07', choices: [{index: 0, message: {role: 'assistant', content: 'Paid.'}, finish_reason: 'stop', logprobs: null}], usage: usages.chat, service_tier: 'default'})
    if (q.url.includes('/responses')) return send({id: 'resp_68c8a1f0b7a48190a9d2c3e4f5061728', object: 'response', created_at: 1773835200, status: 'completed', model: 'gpt-5-2025-08-07', output: [{type: 'message', id: 'msg_1', status: 'completed', role: 'assistant', content: [{type: 'output_text', text: 'Paid.', annotations: []}]}], usage: usages.responses, service_tier: 'default', error: null, incomplete_details: null, parallel_tool_calls: true, tools: [], tool_choice: 'auto', metadata: {}})
    if (q.url.includes('/messages')) return send({id: 'msg_01XFDUDYJgAACzvnptvVoYEL', type: 'message', role: 'assistant', model: 'claude-sonnet-4-5-20250929', content: [{type: 'text', text: 'Paid.'}], stop_reason: 'end_turn', stop_sequence: null, usage: usages.anthropic})
    if (q.url.includes(':generateContent')) return send({candidates: [{content: {role: 'model', parts: [{text: 'Paid.'}]}, finishReason: 'STOP', index: 0}], usageMetadata: usages.google, modelVersion: 'gemini-2.5-flash', responseId: 'CjEXaPzSEp6Tz7IPk5mN0Ac'})
    if (q.url.includes('/embeddings')) return send({object: 'list', data: [{object: 'embedding', index: 0, embedding: [0.5]}], model: 'text-embedding-3-small', usage: {prompt_tokens: 8, total_tokens: 8}})
    r.statusCode = 404; r.end('{}')
  })
}).listen(Number(process.argv[2]))
