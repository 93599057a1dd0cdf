import jakarta.servlet.http.*;
import java.io.IOException;

/**
 * /status/NNN[/anything] answers NNN. `h=Name:Value` (repeatable) adds a header, `body=text` is the body (default: the
 * number), `ct=` its type. 204 and 304 have no body.
 */
public class StatusServlet extends HttpServlet {
    @Override
    protected void service(HttpServletRequest in, HttpServletResponse out) throws IOException {
        int status = Integer.parseInt(in.getPathInfo().substring(1, 4));
        out.setStatus(status);
        String type = in.getParameter("ct");
        out.setContentType(type == null ? "text/plain;charset=UTF-8" : type);
        String[] headers = in.getParameterValues("h");
        if (headers != null)
            for (String header : headers) {
                int colon = header.indexOf(':');
                out.addHeader(header.substring(0, colon), header.substring(colon + 1));
            }
        if (status == 204 || status == 304) return;
        String text = in.getParameter("body");
        byte[] body = (text == null ? "status " + status + "\n" : text).getBytes("UTF-8");
        out.setContentLength(body.length);
        out.getOutputStream().write(body);
    }
}
