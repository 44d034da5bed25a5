import { defineVerb, oneOf, required } from '../framework/command.ts';
import { completionScript, shells } from '../framework/completion-script.ts';
import { verbs } from '../registry.ts';

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
