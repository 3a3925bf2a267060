// Passkeys: shows the button only where the browser can use it, and says in words when the device refuses.
document.addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("passkey_login");
  if (button && window.PublicKeyCredential) button.hidden = false;
});
document.addEventListener("allauth.error", (event) => {
  const words = document.querySelector("[data-passkey-error]");
  if (!words) return;
  event.preventDefault();
  words.hidden = false;
  words.setAttribute("role", "alert");
});
