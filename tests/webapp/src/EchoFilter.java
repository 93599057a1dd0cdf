import jakarta.servlet.*;
import jakarta.servlet.http.*;
import java.io.*;
import java.security.MessageDigest;
import java.util.*;

/**
 * Answers every request whose path, as it was sent, has the word "echo" in it with what arrived: a filter, so that
 * any extension and any detour of the path can be looked at. It never says which Tomcat answered.
 */
public class EchoFilter extends HttpFilter {
    @Override
    protected void doFilter(HttpServletRequest in, HttpServletResponse out, FilterChain chain)
            throws IOException, ServletException {
        if (!in.getRequestURI().contains("echo")) {
            chain.doFilter(in, out);
            return;
        }
        long length = 0;
        MessageDigest digest = Texts.sha256();
        InputStream body = in.getInputStream();
        byte[] piece = new byte[65536];
        for (int n; (n = body.read(piece)) > 0; length += n) digest.update(piece, 0, n);

        StringBuilder json = new StringBuilder("{");
        json.append("\"method\":").append(Texts.quote(in.getMethod()));
        json.append(",\"uri\":").append(Texts.quote(in.getRequestURI()));
        json.append(",\"query\":").append(in.getQueryString() == null ? "null" : Texts.quote(in.getQueryString()));
        json.append(",\"protocol\":").append(Texts.quote(in.getProtocol()));
        json.append(",\"headers\":{").append(headers(in)).append("}");
        json.append(",\"body_length\":").append(length);
        json.append(",\"body_sha256\":").append(Texts.quote(Texts.hex(digest.digest()))).append("}");

        byte[] answer = json.toString().getBytes("UTF-8");
        String type = in.getParameter("ct");
        out.setContentType(type == null ? "application/json" : type);
        out.setContentLength(answer.length);
        out.getOutputStream().write(answer);
    }

    private static String headers(HttpServletRequest in) {
        Map<String, List<String>> all = new TreeMap<>();
        for (String name : Collections.list(in.getHeaderNames()))
            all.put(name.toLowerCase(Locale.ROOT), Collections.list(in.getHeaders(name)));
        StringJoiner lines = new StringJoiner(",");
        all.forEach((name, values) -> {
            StringJoiner list = new StringJoiner(",", "[", "]");
            values.forEach(value -> list.add(Texts.quote(value)));
            lines.add(Texts.quote(name) + ":" + list);
        });
        return lines.toString();
    }
}
