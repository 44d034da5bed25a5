import { defineCommand } from '../framework/command.ts';
import { completionScript, shells } from '../framework/completion-script.ts';
import { oneOf, required } from '../framework/parameters.ts';

export const completionCommand = defineCommand({
  arguments: { shell: required('SHELL', 'bash, zsh or fish', oneOf(...shells)) },
  flags: {},
  examples: [
    ['source <(holdfast completion bash)', 'In ~/.bashrc; also for zsh in ~/.zshrc, after compinit'],
    ['holdfast completion fish | source', 'In ~/.config/fish/config.fish'],
  ],
  output: async () => (await import('../output/host.ts')).completionOutput,
  run: async ({ arguments: { shell }, commands, output }) => {
    const script = await completionScript(shell, commands);
    output.result({ shell, script }, script);
  },
});
