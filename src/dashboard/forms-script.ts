/**
 * What forms do with JavaScript: a chosen file fills the text field, and a page about a part of the work sends the form that
 * continues. Without it, text is pasted, and the operator continues.
 */
export const FORMS_SCRIPT = `'use strict'
document.documentElement.classList.add('has-script')
document.addEventListener('change', async ({ target }) => {
  const field = document.getElementById(target.dataset.fills)
  if (field && target.files[0]) field.value = await target.files[0].text()
})
document.querySelector('form[data-continues]')?.requestSubmit()
`
