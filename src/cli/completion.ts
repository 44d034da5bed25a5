import { completionScript, shells } from './completion-script.ts';
import { defineVerb, oneOf, required } from './verb.ts';
import { verbs } from './verbs.ts';

export const verb = defineVerb({
  arguments: { shell: required(shells.join('|'), 'the shell to complete in', oneOf(...shells)) },
  flags: {},
  examples: [
    ['source <(holdfast completion bash)', 'in ~/.bashrc; also for zsh in ~/.zshrc, after compinit'],
    ['holdfast completion fish | source', 'in ~/.config/fish/config.fish'],
  ],
  run: async ({ arguments: { shell }, output }) => {
    const loaded = await Promise.all(
      Object.entries(verbs).map(async ([name, { summary, load }]) => ({ name, summary, ...(await load()) })),
    );
    const script = completionScript(shell, loaded);
    output.result({ shell, script }, script);
  },
});
