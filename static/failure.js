// @ts-check
// Reports errors while the page starts, where the reader sees them. Imported first, so that it covers all other
// modules. If not even this module can run, the style sheet shows the message after a while.

let hasStarted = false;

export function pageStarted() {
  hasStarted = true;
}

addEventListener('error', ({ message }) => {
  const reason = document.querySelector('#failure-reason');
  if (hasStarted || !reason) return;
  reason.textContent = message;
  document.body.dataset.state = 'failed';
});
