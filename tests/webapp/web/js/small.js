document.title = "small";
