/** The version of fleet, from package.json: one place for every program and answer that shows it. */
import description from '../../package.json' with { type: 'json' };

export const version: string = description.version;
