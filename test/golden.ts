/**
 * Golden scenarios: text files that ask, and hold the answer below a line of dashes.
 * Promises: with UPDATE_GOLDEN=1 the answers are rewritten and the difference is read in version control; without, a different
 * answer fails the test of that scenario.
 *
 *   ## One sentence: what the scenario shows
 *   the question, in the words of the test that reads it
 *   ----
 *   the answer
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';

interface Scenario {
  readonly title: string;
  readonly question: readonly string[];
  readonly answer: string;
}

const answerLine = '----';

/** Registers one test for each scenario of each `.txt` file in `folder`. */
export function goldenTests(folder: URL, answer: (question: readonly string[]) => string): void {
  const files = readdirSync(folder).filter((name) => name.endsWith('.txt')).sort();
  assert.ok(files.length > 0, `there are scenarios in ${folder.pathname}`);
  for (const name of files) {
    const file = new URL(name, folder);
    const scenarios = readScenarios(readFileSync(file, 'utf8'));
    describe(name, () => {
      for (const scenario of scenarios) {
        test(scenario.title, () => {
          if (process.env['UPDATE_GOLDEN'] !== '1') assert.equal(answer(scenario.question).trimEnd(), scenario.answer);
        });
      }
    });
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, scenarios.map((each) => print(each, answer)).join('\n'));
  }
}

function readScenarios(text: string): readonly Scenario[] {
  const blocks = text.split(/^## /m).slice(1);
  return blocks.map((block) => {
    const [title = '', ...lines] = block.trimEnd().split('\n');
    const at = lines.indexOf(answerLine);
    const question = at === -1 ? lines : lines.slice(0, at);
    return { title, question, answer: at === -1 ? '' : lines.slice(at + 1).join('\n').trimEnd() };
  });
}

function print({ title, question }: Scenario, answer: (question: readonly string[]) => string): string {
  return `## ${title}\n${question.join('\n')}\n${answerLine}\n${answer(question).trimEnd()}\n`;
}
