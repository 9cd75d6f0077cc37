// What the tests of the page put into its window or take from it.
interface Window {
  axe: { run(): Promise<{ violations: any[] }> };
  draws: FrameRequestCallback[];
  find(text: string, isCaseSensitive: boolean, isBackwards: boolean, isWrapping: boolean): boolean;
  isTheSame: boolean;
  lastSocket: WebSocket;
}

// A test knows the kind of element that it selects.
interface ParentNode {
  querySelector(selectors: string): any;
  querySelectorAll(selectors: string): NodeListOf<any>;
}
