<%@ page contentType="text/html;charset=UTF-8" session="false" %><!DOCTYPE html>
<html><head><title>shop</title><link rel="stylesheet" href="/css/site.css"></head>
<body><p>six times seven is <%= 6 * 7 %></p></body></html>
