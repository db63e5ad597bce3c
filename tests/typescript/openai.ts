// As the `openai` package declares what its answers hold: interfaces, without index signatures.
export interface CompletionUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}
export interface ChatCompletion {
  id: string;
  model: string;
  usage?: CompletionUsage;
}
export default interface OpenAI {
  create(): ChatCompletion;
}
