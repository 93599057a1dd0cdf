<%@ page contentType="text/html;charset=UTF-8" %><!DOCTYPE html>
<html><body><p><%= session.isNew() ? "new" : "known" %></p></body></html>
