export default {printWidth: 100, bracketSpacing: false, embeddedLanguageFormatting: "off"};
